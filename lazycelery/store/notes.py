"""What we ourselves noted on tasks, and no cluster tells: the tag of a retry, and that it was dealt with."""

from __future__ import annotations

from lazycelery.model.task import Dealt
from lazycelery.store.chains import Chains

TAG = "lazycelery_tag"
"""The header in which a message tells by which tag it was sent."""
MOST = 100_000
"""Tasks with a tag; beyond, the oldest is dropped."""
SKEW = 1.0
"""Seconds by which the clock of who marked may be behind the one of who failed."""


class Notes:
    """Notes by task id, of tasks that are in the store or may come into it."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.marks: dict[str, Dealt] = {}
        self.chains = Chains()

    def tag(self, id: str, tag: str) -> None:
        """Note by which tag a task was sent."""
        self.tags.pop(id, None)
        self.tags[id] = tag
        while len(self.tags) > MOST:
            del self.tags[next(iter(self.tags))]

    def dealt(self, id: str, since: float) -> Dealt | None:
        """The mark of a task that is in its present state `since` then; one from before means nothing any
        more: it failed again."""
        mark = self.marks.get(id)
        return mark if mark is not None and mark.at + SKEW >= since else None
