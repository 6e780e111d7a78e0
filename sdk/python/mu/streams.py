"""Bodies and headers, between WASI and Python."""

from collections.abc import Iterator

from componentize_py_types import Err
from wit_world.imports import types
from wit_world.imports.streams import StreamError_Closed

from .http import Body, Headers, is_whole, to_bytes

_CHUNK_BYTES = 64 * 1024

#: The most bytes that one blocking write of WASI takes.
_WRITE_BYTES_MAX = 4096

_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]


def read_chunks(body: types.IncomingBody) -> Iterator[bytes]:
    """The chunks of a body, read as they are asked for."""
    with body, body.stream() as stream:
        while True:
            try:
                chunk = stream.blocking_read(_CHUNK_BYTES)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return
                raise EOFError("the body ended before it was whole") from None
            if chunk:
                yield chunk


def write_body(outgoing: types.OutgoingBody, body: Body) -> None:
    """Writes `body` and ends the outgoing body. Each chunk of an iterable is sent at once."""
    with outgoing.write() as stream:
        for chunk in [body] if is_whole(body) else body:
            data = to_bytes(chunk)
            for start in range(0, len(data), _WRITE_BYTES_MAX):
                stream.blocking_write_and_flush(data[start : start + _WRITE_BYTES_MAX])
    types.OutgoingBody.finish(outgoing, None)


def from_fields(fields: types.Fields) -> Headers:
    """Headers as Python has them."""
    return Headers([(name, value.decode(errors="replace")) for name, value in fields.entries()])


def to_fields(headers: Headers) -> types.Fields:
    """Headers as WASI has them."""
    return types.Fields.from_list([(name, value.encode()) for name, value in headers])


def from_method(method: types.Method) -> str:
    """The method's name."""
    if isinstance(method, types.Method_Other):
        return method.value
    return type(method).__name__.removeprefix("Method_").upper()


def to_method(name: str) -> types.Method:
    """The method of this name."""
    if name in _METHODS:
        return getattr(types, f"Method_{name.capitalize()}")()
    return types.Method_Other(name)
