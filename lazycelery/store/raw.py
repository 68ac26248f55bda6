"""Exact messages kept for an exact retry, bounded by bytes."""

from __future__ import annotations

from collections import OrderedDict

from lazycelery.model.canvas import steps
from lazycelery.model.message import Message, StoredMessage

OVERHEAD = 300
MOST_STEPS = 20_000


class RawMessages:
    """True messages by task id; the oldest leave when the bytes are used up."""

    def __init__(self, max_bytes: int = 32 * 1024 * 1024) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._kept: OrderedDict[str, StoredMessage] = OrderedDict()
        self._holders: dict[str, str] = {}
        """Tasks by the steps that their messages embed."""

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

    def note_steps(self, message: Message) -> None:
        """Note which steps a message embeds: once they ran, nothing else tells where they came from."""
        if not message.embed or not message.id:
            return
        for step in steps(message.embed, message.id):
            if step.id is not None:
                self._holders.setdefault(step.id, message.id)
        while len(self._holders) > MOST_STEPS:
            del self._holders[next(iter(self._holders))]

    def holder(self, step: str) -> str | None:
        """The task whose message embedded a step, as far as it was seen."""
        return self._holders.get(step)

    def _drop(self, id: str) -> None:
        old = self._kept.pop(id, None)
        if old is not None:
            self.bytes -= len(old.raw) + OVERHEAD
