"""Exact messages kept for an exact retry, bounded by bytes."""

from __future__ import annotations

from collections import OrderedDict

from lazycelery.model.message import StoredMessage

OVERHEAD = 300


class RawMessages:
    """True messages by task id; the oldest leave when the bytes are used up."""

    def __init__(self, max_bytes: int = 32 * 1024 * 1024) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._kept: OrderedDict[str, StoredMessage] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, id: str, message: StoredMessage) -> None:
        """Remember a message as the newest one. One that is larger than the whole room is not kept."""
        self._drop(id)
        size = len(message.raw) + OVERHEAD
        if size > self.max_bytes:
            return
        self._kept[id] = message
        self.bytes += size
        while self.bytes > self.max_bytes:
            self._drop(next(iter(self._kept)))

    def get(self, id: str) -> StoredMessage | None:
        """The task's true message, if it is still here."""
        return self._kept.get(id)

    def _drop(self, id: str) -> None:
        old = self._kept.pop(id, None)
        if old is not None:
            self.bytes -= len(old.raw) + OVERHEAD
