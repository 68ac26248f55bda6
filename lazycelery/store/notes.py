"""What we ourselves noted on tasks, and no cluster tells: the tag of a retry."""

from __future__ import annotations

TAG = "lazycelery_tag"
"""The header in which a message tells by which tag it was sent."""
MOST = 100_000
"""Tasks with a note; beyond, the oldest note is dropped."""


class Notes:
    """Notes by task id, of tasks that are in the store or may come into it."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}

    def tag(self, id: str, tag: str) -> None:
        """Note by which tag a task was sent."""
        self.tags.pop(id, None)
        self.tags[id] = tag
        while len(self.tags) > MOST:
            del self.tags[next(iter(self.tags))]
