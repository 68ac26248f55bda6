"""A saved view: which tasks, in which order."""

from __future__ import annotations

import msgspec

from lazycelery.model.task import Sort


class SavedView(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a person kept under a name."""

    filter: str = ""
    """In the filter language; "" shows all."""
    sort: Sort = "newest"
    reverse: bool = False

    @property
    def text(self) -> str:
        """In a line."""
        order = "" if self.sort == "newest" and not self.reverse else f"by {self.sort}"
        parts = [self.filter or "all tasks", f"{order}, reversed" if self.reverse else order]
        return "  ".join(part for part in parts if part)
