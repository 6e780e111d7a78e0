"""Functions for mu in Python: components of `wasi:http`, made by componentize-py.

A function's entry file names its handlers and exports them:

    from mu import serve

    def greet(request):
        return f"Hello, {request.params['name']}!"

    IncomingHandler = serve(greet)
"""

from .client import HttpError, fetch
from .environment import env
from .http import Headers, Request, Response
from .logs import log
from .serving import serve
from .tables import Table, TableError, table

__all__ = [
    "Headers",
    "HttpError",
    "Request",
    "Response",
    "Table",
    "TableError",
    "env",
    "fetch",
    "log",
    "serve",
    "table",
]
