"""Tables of muDB, by way of `wasi:keyvalue`."""

from collections.abc import Iterator, MutableMapping
from typing import Any

from componentize_py_types import Err
from wit_world.imports import atomics, store

from .http import to_bytes


class TableError(Exception):
    """What a table was asked could not be done."""


class Table(MutableMapping[str, bytes]):
    """A table: keys are text of at most 8 KiB, values bytes of at most 1 MiB.

    It is a mapping. Reading it by a key that is missing is a `KeyError`, and `get` answers a default. Text can be
    written as well; it is read as bytes.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._opened: store.Bucket | None = None

    def __getitem__(self, key: str) -> bytes:
        value = self._do("reading", lambda bucket: bucket.get(key))
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: str | bytes) -> None:
        self._do("writing", lambda bucket: bucket.set(key, to_bytes(value)))

    def __delitem__(self, key: str) -> None:
        self._do("deleting from", lambda bucket: bucket.delete(key))

    def __contains__(self, key: object) -> bool:
        return self._do("reading", lambda bucket: bucket.exists(str(key)))

    def __iter__(self) -> Iterator[str]:
        cursor = None
        while True:
            page = self._do("listing", lambda bucket: bucket.list_keys(cursor))
            yield from page.keys
            cursor = page.cursor
            if cursor is None:
                return

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def increment(self, key: str, delta: int = 1) -> int:
        """Adds to the number at `key` (0 if there is none), in one step for all who do so; answers the sum."""
        return self._do("counting in", lambda bucket: atomics.increment(bucket, key, delta))

    def _do(self, what: str, action: Any) -> Any:
        try:
            if self._opened is None:
                self._opened = store.open(self._name)
            return action(self._opened)
        except Err as error:
            raise TableError(f"{what} table {self._name}: {_reason(error.value, self._name)}") from None


def table(name: str) -> Table:
    """The table with this name in mu.yaml."""
    return Table(name)


def _reason(error: store.Error, name: str) -> str:
    if isinstance(error, store.Error_NoSuchStore):
        return f"mu.yaml has no table named {name}"
    if isinstance(error, store.Error_AccessDenied):
        return "access is denied"
    return error.value
