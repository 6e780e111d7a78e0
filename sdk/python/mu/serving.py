"""From `wasi:http` to handlers, and back."""

from collections.abc import Callable
from typing import Any

from componentize_py_types import Ok
from wit_world.imports import types

from . import environment
from .http import Request, Response, is_whole, to_bytes
from .logs import log
from .streams import from_fields, from_method, read_chunks, to_fields, write_body

#: Answers a request. Anything but a `Response` becomes the body of one with status 200.
Handler = Callable[[Request], Any]


def serve(*handlers: Handler) -> type:
    """What the entry file has to call `IncomingHandler`.

    Each handler is known by its function's name: the one that routes in mu.yaml lead to (`get: function.handler`). A
    handler that raises answers with status 500, and the traceback is in the log.
    """
    named = {handler.__name__: handler for handler in handlers}

    class IncomingHandler:
        def handle(self, request: types.IncomingRequest, response_out: types.ResponseOutparam) -> None:
            environment.load()
            asked = _request(request)
            try:
                response = _respond(named, asked)
            except Exception:
                log.exception("the handler failed")
                # In the shape of mu's own errors; what went wrong is for the log alone.
                response = Response.json({"code": "internal", "message": "the function failed; its log says why"}, 500)
            _send(response, response_out, is_head_only=asked.method == "HEAD")

    return IncomingHandler


def _request(request: types.IncomingRequest) -> Request:
    return Request(
        from_method(request.method()),
        request.path_with_query() or "/",
        from_fields(request.headers()),
        read_chunks(request.consume()),
    )


def _respond(named: dict[str, Handler], request: Request) -> Response:
    # Outside of mu nobody names a handler; a single one is meant then.
    name = request.handler or (next(iter(named)) if len(named) == 1 else None)
    if name not in named:
        raise LookupError(f"no handler is named {name}; there are: {', '.join(named)}")
    result = named[name](request)
    return result if isinstance(result, Response) else Response(result)


def _send(response: Response, out: types.ResponseOutparam, is_head_only: bool) -> None:
    if is_head_only:
        response.body = None
    elif is_whole(response.body):
        response.headers["content-length"] = str(len(to_bytes(response.body)))
    message = types.OutgoingResponse(to_fields(response.headers))
    message.set_status_code(response.status)
    body = message.body()
    types.ResponseOutparam.set(out, Ok(message))
    write_body(body, response.body)
