"""Requests to other servers, by way of `wasi:http/outgoing-handler`."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from componentize_py_types import Err
from wit_world.imports import outgoing_handler, types

from .http import Body, Headers, Response, is_whole, to_bytes
from .streams import from_fields, read_chunks, to_fields, to_method, write_body


class HttpError(Exception):
    """A request to another server got no response."""


def fetch(
    url: str,
    method: str = "GET",
    headers: Headers | Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: Body = None,
) -> Response:
    """Sends a request and waits for the head of the response, whose `read()` then has its body."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise HttpError(f"fetching {url}: the URL has to begin with http:// or https://")
    sent = Headers(headers)
    if body is not None and is_whole(body):
        sent["content-length"] = str(len(to_bytes(body)))
    request = types.OutgoingRequest(to_fields(sent))
    request.set_method(to_method(method.upper()))
    request.set_scheme(types.Scheme_Http() if parts.scheme == "http" else types.Scheme_Https())
    request.set_authority(parts.netloc)
    request.set_path_with_query((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    outgoing = request.body()
    try:
        pending = outgoing_handler.handle(request, None)
        write_body(outgoing, body)
        with pending.subscribe() as ready:
            ready.block()
        response = _unwrap(_unwrap(pending.get()))
    except Err as error:
        raise HttpError(f"fetching {url}: {_reason(error.value)}") from None
    return Response(read_chunks(response.consume()), response.status(), from_fields(response.headers()))


def _unwrap(result):
    if isinstance(result, Err):
        raise result
    return result.value


def _reason(error: object) -> str:
    """The name of WASI's variant, as words, or the text that it carries."""
    text = getattr(error, "value", None)
    return text if isinstance(text, str) else type(error).__name__.removeprefix("ErrorCode_")
