"""Connections by which somebody reads, or sets a mark: when the monitor ends none of them is waited for, and
the server is told to give up what it still does for them.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from lazycelery.errors import ConnectionProblem
from lazycelery.store.history.postgres.address import Address, abort, connect

CANCELS = 1.0
"""Seconds for the server to take a cancellation."""
ENDED = "The monitor ends."


class Connections:
    """Those of one storage, used from any thread."""

    def __init__(self) -> None:
        self._open: set[Any] = set()
        self._coming: set[queue.SimpleQueue[Any]] = set()
        """Where somebody waits for one that is made."""
        self._lock = threading.Lock()
        self._ended = False

    def __len__(self) -> int:
        return len(self._open)

    def over(self) -> bool:
        """Whether nothing more may be asked."""
        return self._ended

    @contextlib.contextmanager
    def connected(self, address: Address, options: dict[str, str]) -> Iterator[Any]:
        """A connection of one's own. Raises what `connect` does, and `ConnectionProblem` once it ends."""
        connection = self._connected(address, options)
        self._open.add(connection)
        try:
            if self._ended:  # Just now: nobody may have seen this one.
                raise ConnectionProblem(ENDED)
            yield connection
        finally:
            self._open.discard(connection)
            connection.close()

    def _connected(self, address: Address, options: dict[str, str]) -> Any:
        """In a thread, as nothing ends the wait for a server that does not answer."""
        coming: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._lock:
            if self._ended:
                raise ConnectionProblem(ENDED)
            self._coming.add(coming)
        try:
            _beside(lambda: self._connect(address, options, coming))
            found = coming.get()
        finally:
            with self._lock:
                self._coming.discard(coming)
        if isinstance(found, BaseException):
            while not coming.empty():  # It was made all the same.
                _closed(coming.get())
            raise found
        return found

    def _connect(self, address: Address, options: dict[str, str], coming: queue.SimpleQueue[Any]) -> None:
        try:
            found: Any = connect(address, options)
        except BaseException as problem:
            found = problem
        with self._lock:
            if coming in self._coming:
                coming.put(found)
                return
        _closed(found)

    def end(self) -> None:
        """What is under way fails within about a second, here and on the server; nothing else begins. Does
        not wait."""
        with self._lock:
            self._ended = True
            for coming in self._coming:
                coming.put(ConnectionProblem(ENDED))
        for connection in list(self._open):
            _beside(lambda connection=connection: _give_up(connection))  # type: ignore[misc]


def _closed(found: Any) -> None:
    if not isinstance(found, BaseException):
        found.close()


def _give_up(connection: Any) -> None:
    """First tell the server, by a connection of the driver's own; one that hangs ends nothing by itself."""
    _beside(lambda: _cancel(connection)).join(CANCELS)
    abort(connection)


def _cancel(connection: Any) -> None:
    with contextlib.suppress(Exception):
        connection.cancel_safe(timeout=CANCELS)


def _beside(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="history-connection", daemon=True)
    thread.start()
    return thread
