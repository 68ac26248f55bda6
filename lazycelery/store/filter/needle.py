"""A part of a text, looked for in many texts at once: in sealed blocks by two bytes, in lists joined."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from lazycelery.store.columns import Columns
from lazycelery.store.sealing import BLOCK, HEX, Piece
from lazycelery.store.values import NUL, plain

Mask = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.intp]
BETWEEN = "\x01"
"""Between texts that are looked at together; what is found across it is looked at again."""
FREQUENT = " e'_ta:oinsr{}(),dlcm1u0p2354678h9gf"
"""The signs that arguments and results have most of, the commonest first."""
FEW = 24
"""Slots that are not worth a look at their block: it costs as much as reading so many."""


class Needle:
    """A part in lower case; case does not matter."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.bytes = part.encode("utf-8", "surrogatepass")
        self._plain = bool(part) and part.isascii() and BETWEEN not in part and NUL not in part
        self._in_ids = not self.bytes.translate(None, HEX)
        places = sorted(range(len(self.bytes)), key=self._frequency)
        self._first = places
        """Places in the needle, the rarest sign first."""

    def _frequency(self, place: int) -> int:
        return FREQUENT[::-1].find(chr(self.bytes[place]))

    def within(self, columns: Columns, fields: Sequence[str], slots: Slots) -> Mask:
        """Which slots have it in one of these lists of texts."""
        found: Mask = np.zeros(len(slots), dtype=np.bool_)
        if not self.part:
            return found
        if len(slots) <= FEW or not self._plain:
            self._one_by_one(columns, fields, slots, np.arange(len(slots)), found)
            return found
        numbers = slots // BLOCK
        many = np.bincount(numbers) > FEW
        for number in np.flatnonzero(many).tolist():
            self._block(columns, fields, number, slots, np.flatnonzero(numbers == number), found)
        self._one_by_one(columns, fields, slots, np.flatnonzero(~many[numbers]), found)
        return found

    def _block(
        self, columns: Columns, fields: Sequence[str], number: int, slots: Slots, mine: Slots, found: Mask
    ) -> None:
        start = number * BLOCK
        inside = columns.sealed.inside(number, columns.vector("stamp")[start : start + BLOCK])
        if inside is None:
            self._one_by_one(columns, fields, slots, mine, found)
            return
        block, places = columns.sealed.blocks[number], slots[mine] - start
        there = inside[places]
        hits: Mask = np.zeros(len(inside), dtype=np.bool_)
        for field in fields:
            if field in block.pieces:
                hits |= self._piece(block.pieces[field])[: len(hits)]
        found[mine[there]] = hits[places[there]]
        if "id" in fields and (self._in_ids or not block.plain_ids):
            self._one_by_one(columns, ("id",), slots, mine[there], found)
        self._one_by_one(columns, fields, slots, mine[~there], found)

    def _one_by_one(
        self, columns: Columns, fields: Sequence[str], slots: Slots, mine: Slots, found: Mask
    ) -> None:
        """Look at the lists, for those of the slots in `mine`."""
        numbers = slots[mine].tolist()
        if not numbers:
            return
        for field in fields:
            if field == "id":
                texts: list[str | None] = [columns.id[slot] for slot in numbers]
            else:
                texts = columns.sealed.texts(field, numbers)
            found[mine] |= holding(texts, self.part)

    def _piece(self, piece: Piece) -> Mask:
        if not piece.ascii:
            return self._texts(piece)
        raw = np.frombuffer(piece.data, dtype=np.uint8)
        last = len(raw) - len(self.bytes) + 1
        if last <= 0:
            return np.zeros(len(piece.numbers), dtype=np.bool_)
        small = raw | np.uint8(32)  # What is a letter by then was one before.
        first, *rest = self._first
        hits = self._signs(raw, small, first)[first : first + last]
        if rest:
            hits &= self._signs(raw, small, rest[0])[rest[0] : rest[0] + last]
        starts = np.flatnonzero(hits)
        for place in rest[1:]:
            if not len(starts):
                break
            sign = self.bytes[place]
            own = small if chr(sign).isalpha() else raw
            starts = starts[own[starts + place] == sign]
        if not len(starts):
            return np.zeros(len(piece.numbers), dtype=np.bool_)
        return piece.where(np.searchsorted(piece.ends, starts, side="right"))

    def _signs(self, raw: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8], place: int) -> Mask:
        sign = self.bytes[place]
        found: Mask = (small if chr(sign).isalpha() else raw) == sign
        return found

    def _texts(self, piece: Piece) -> Mask:
        """Lower case is more than a bit there."""
        numbers = [
            number for number in range(1, len(piece.ends)) if self.part in plain(piece.one(number)).lower()
        ]
        return piece.where(np.array(numbers, dtype=np.intp))


def holding(texts: Sequence[str | None], part: str) -> Mask:
    """Which of some texts hold a part, given in lower case: found in all of them joined."""
    found: Mask = np.zeros(len(texts), dtype=np.bool_)
    joined = BETWEEN.join(filter(None, texts))
    lowered = joined.lower()
    at = lowered.find(part)
    if at < 0 or not part:
        return found
    if len(lowered) != len(joined) or BETWEEN in part or NUL in part:
        # Places are others in lower case, or the part may be found where no text is.
        return np.array([part in plain(text).lower() for text in texts], dtype=np.bool_)
    places = [place for place, text in enumerate(texts) if text]
    ends = list(accumulate(len(text) + len(BETWEEN) for text in texts if text))
    while at >= 0:
        one = bisect_right(ends, at)
        found[places[one]] = True
        at = lowered.find(part, ends[one])
    return found
