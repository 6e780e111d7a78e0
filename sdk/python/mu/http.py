"""Requests and responses."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

#: What a body can be. Each chunk of an iterable is sent at once.
Body = str | bytes | Iterable[str | bytes] | None


class Headers:
    """Headers in order. Case doesn't matter, and a name may be repeated."""

    def __init__(self, entries: "Headers | Mapping[str, str] | Iterable[tuple[str, str]]" = ()) -> None:
        pairs = entries.items() if isinstance(entries, Mapping) else entries
        self._pairs = [(name.lower(), str(value)) for name, value in pairs]

    def __getitem__(self, name: str) -> str:
        values = self.all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __setitem__(self, name: str, value: str) -> None:
        self._pairs = [pair for pair in self._pairs if pair[0] != name.lower()]
        self.add(name, value)

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def get(self, name: str, default: str | None = None) -> str | None:
        """All values of the name, joined by a comma."""
        return self[name] if name in self else default

    def all(self, name: str) -> list[str]:
        """The values of the name, in order."""
        return [value for known, value in self._pairs if known == name.lower()]

    def add(self, name: str, value: str) -> None:
        """Adds a value to those that the name has."""
        self._pairs.append((name.lower(), str(value)))


@dataclass
class Request:
    """What a handler is asked."""

    method: str
    #: The path and query, relative to the gateway.
    target: str
    headers: Headers
    #: The body's chunks, which can be read once. `body` has all of it.
    chunks: Iterator[bytes] = field(default_factory=lambda: iter(()))

    @property
    def path(self) -> str:
        """The path, relative to the gateway."""
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> dict[str, str]:
        """The query's values by name; of a repeated name, the last."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def params(self) -> dict[str, str]:
        """What stood in the places of the route's `{name}`s."""
        prefix = "mu-path-"
        return {name.removeprefix(prefix): unquote(value) for name, value in self.headers if name.startswith(prefix)}

    @property
    def handler(self) -> str | None:
        """The name of the handler that the route leads to."""
        return self.headers.get("mu-handler")

    @property
    def id(self) -> str | None:
        """The id of the invocation, as in its log lines."""
        return self.headers.get("x-request-id")

    @cached_property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        """The whole body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The whole body, read as JSON."""
        return json.loads(self.body)


@dataclass
class Response:
    """What a handler answers, or what another server did."""

    body: Body = None
    status: int = 200
    headers: Headers = field(default_factory=Headers)

    def __post_init__(self) -> None:
        if not isinstance(self.headers, Headers):
            self.headers = Headers(self.headers)
        if isinstance(self.body, str) and "content-type" not in self.headers:
            self.headers["content-type"] = "text/plain; charset=utf-8"

    @classmethod
    def json(cls, value: Any, status: int = 200) -> "Response":
        """A response with `value` as JSON."""
        return cls(json.dumps(value).encode(), status, Headers({"content-type": "application/json"}))

    @property
    def ok(self) -> bool:
        """Whether the status is one of success (200 to 299)."""
        return 200 <= self.status < 300

    def read(self) -> bytes:
        """The whole body."""
        self.body = whole(self.body)
        return self.body


def is_whole(body: Body) -> bool:
    """Whether all of the body is there already."""
    return body is None or isinstance(body, (str, bytes, bytearray, memoryview))


def to_bytes(chunk: str | bytes | None) -> bytes:
    """The bytes of text, bytes, or nothing."""
    if chunk is None:
        return b""
    return chunk.encode() if isinstance(chunk, str) else bytes(chunk)


def whole(body: Body) -> bytes:
    """All of a body."""
    return to_bytes(body) if is_whole(body) else b"".join(to_bytes(chunk) for chunk in body)
