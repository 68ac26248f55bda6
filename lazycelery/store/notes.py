"""What we ourselves noted on tasks, and no cluster tells: retries, their tags, and what was dealt with."""

from __future__ import annotations

from collections.abc import Mapping

from lazycelery.model.task import Dealt
from lazycelery.store.chains import Chains

TAG = "lazycelery_tag"
"""The header in which a message tells by which tag it was sent."""
MOST = 100_000
"""Tasks with a tag; beyond, the oldest is dropped."""
MOST_SENT_AGAIN = 10_000
SKEW = 1.0
"""Seconds by which the clock of who marked may be behind the one of who failed."""


class Notes:
    """Notes by task id, of tasks that are in the store or may come into it."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.marks: dict[str, Dealt] = {}
        self.chains = Chains()
        self.sent_again: dict[str, None] = {}
        """Ids of tasks that were sent again, in order."""

    def tag(self, id: str, tag: str) -> None:
        """Note by which tag a task was sent."""
        self.tags.pop(id, None)
        self.tags[id] = tag
        while len(self.tags) > MOST:
            del self.tags[next(iter(self.tags))]

    def put_tags(self, tags: Mapping[str, str]) -> list[str]:
        """Note by which tags tasks were sent, the oldest first. Returns those of which that is new."""
        changed = []
        for task_id, tag in tags.items():
            if self.tags.get(task_id) != tag:
                self.tag(task_id, tag)
                changed.append(task_id)
        return changed

    def put_dealt(self, marks: Mapping[str, Dealt]) -> list[str]:
        """All marks there are, instead of those known so far. Returns the tasks of which that changes any."""
        before, self.marks = self.marks, dict(marks)
        either = before.keys() | self.marks.keys()
        return [task_id for task_id in either if before.get(task_id) != self.marks.get(task_id)]

    def send_again(self, id: str) -> None:
        """Note that a task was sent again."""
        self.sent_again[id] = None
        while len(self.sent_again) > MOST_SENT_AGAIN:
            del self.sent_again[next(iter(self.sent_again))]

    def dealt(self, id: str, since: float) -> Dealt | None:
        """The mark of a task that is in its present state `since` then; one from before means nothing any
        more: it failed again."""
        mark = self.marks.get(id)
        return mark if mark is not None and mark.at + SKEW >= since else None
