"""Fields of tasks as reports tell them: a field keeps its most trusted source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from lazycelery.model.task import TRUST
from lazycelery.store import marks
from lazycelery.store.attempts import open_attempt
from lazycelery.store.columns import Columns
from lazycelery.store.fields import EventFields
from lazycelery.store.values import bounded, encode, was_cut

SAME_RUN = 2.0
"""Seconds by which sources may differ about the start of one run."""


class ToldFields:
    """What the merges of all kinds of reports write."""

    def __init__(self, columns: Columns, fields: EventFields, skew: Callable[[int], float]) -> None:
        self.columns = columns
        self.fields = fields
        self.skew = skew
        """Seconds by which a worker's clock is ahead of ours."""

    def _slot(self, id: str, at: float, source: str) -> int:
        columns = self.columns
        slot = columns.slots.get(id)
        if slot is None:
            slot = columns.add(bounded(id, 512), at)
        columns.sources[slot] |= marks.SOURCES[source]
        return slot

    def _may(self, slot: int, field: str, empty: bool, source: str) -> bool:
        """Whether `source` may write a field, that is empty or known from elsewhere."""
        if empty:
            return True
        return TRUST[source] >= TRUST[self.columns.teller(slot, field)]

    def _word(
        self, slot: int, field: Literal["name", "worker", "queue"], word: str | None, source: str
    ) -> None:
        columns = self.columns
        numbers: memoryview[int] = getattr(columns, field)
        if word and self._may(slot, field, not numbers[slot], source):
            table = getattr(columns, f"{field}s")
            numbers[slot] = table.code(word)
            columns.tell(slot, field, source)

    def _arguments(self, slot: int, args: Any, kwargs: Any, source: str, safe: bool) -> None:
        for field, value in (("args", args), ("kwargs", kwargs)):
            if value is None:
                continue
            texts: list[str | None] = getattr(self.columns, field)
            if safe or isinstance(value, str):
                # repr text: no better than what an event tells
                if texts[slot] is None:
                    texts[slot] = text = bounded(value)
                    self._cut(slot, field, was_cut(text))
                    self.columns.tell(slot, field, source)
            elif self._may(slot, field, texts[slot] is None, source):
                texts[slot], cut = encode(value)
                self._cut(slot, field, cut)
                self.columns.tell(slot, field, source)

    def _cut(self, slot: int, field: str, cut: bool) -> None:
        bit = marks.CUTS[field]
        self.columns.cut[slot] = self.columns.cut[slot] & ~bit | (bit if cut else 0)

    def _family(
        self, slot: int, root: str | None, parent: str | None, group: str | None, source: str
    ) -> None:
        columns = self.columns
        had = columns.root_id[slot], columns.parent_id[slot]
        self.fields.relate(slot, root, parent)
        if columns.root_id[slot] != had[0]:
            columns.tell(slot, "root_id", source)
        if columns.parent_id[slot] != had[1]:
            columns.tell(slot, "parent_id", source)
        if group is not None:
            columns.extras(slot).group_id = bounded(group, 512)
            columns.tell(slot, "group_id", source)

    def _delivered_again(self, slot: int) -> None:
        open_attempt(self.columns, slot, self.columns.retries[slot])
        self.columns.marks[slot] |= marks.DELIVERED_AGAIN
