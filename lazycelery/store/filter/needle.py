"""A part of a text, looked for in many texts at once: in sealed blocks by two bytes, in lists joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lazycelery.store.columns import Columns
from lazycelery.store.sealing import BLOCK, HEX, Piece, gathered
from lazycelery.store.values import NUL, plain

Mask = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]
BETWEEN = "\x01"
"""Between texts that are looked at together; what is found across it is looked at again."""
FREQUENT = " e'_ta:oinsr{}(),dlcm1u0p2354678h9gf"
"""The signs that arguments and results have most of, the commonest first."""
FEW = 24
"""Slots that are not worth a look at their block: it costs as much as reading so many."""
TOGETHER = 2048
"""Texts that are joined at once: of more, the memory is often fresh, and that costs more than the search."""
CHUNK = 120_000
"""Signs that are looked through at once."""
CASE = np.uint8(32)
"""With this bit a letter is small, and what is a letter then was one before."""


class Needle:
    """A part in lower case; case does not matter."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.bytes = part.encode("utf-8", "surrogatepass")
        self._plain = bool(part) and part.isascii() and BETWEEN not in part and NUL not in part
        self._in_ids = not self.bytes.translate(None, HEX)
        places = sorted(range(len(self.bytes)), key=self._frequency)
        self._signs = [(place, self.bytes[place], chr(self.bytes[place]).isalpha()) for place in places]
        """Place in the needle, byte, and whether it is a letter; the rarest sign first."""
        self._letters = any(letter for _, _, letter in self._signs[:2])

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
        number = int(slots.min()) // BLOCK
        if number == int(slots.max()) // BLOCK:  # As a search goes through all.
            self._block(columns, fields, number, slots, np.arange(len(slots)), found)
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
        if not len(mine):
            return
        numbers = _numbers(slots[mine])
        for field in fields:
            ids = field == "id"
            texts = gathered(columns.id, numbers) if ids else columns.sealed.texts(field, numbers)
            found[mine] |= self._in_lists(texts)

    def _in_lists(self, texts: Sequence[str | None]) -> Mask:
        found: Mask = np.zeros(len(texts), dtype=np.bool_)
        for start in range(0, len(texts), TOGETHER):
            end = start + TOGETHER
            found[start:end] = self._in_joined(texts[start:end])
        return found

    def _in_joined(self, texts: Sequence[str | None]) -> Mask:
        some, joined = _joined(texts)
        if not (self._plain and joined.isascii()):
            return holding(texts, self.part)
        raw = np.frombuffer(joined.encode("ascii"), dtype=np.uint8)
        starts = self._starts(raw)
        if not len(starts):
            return np.zeros(len(texts), dtype=np.bool_)
        ends = np.flatnonzero(raw == ord(BETWEEN))
        if len(ends) >= len(some):  # It is in some of them, too.
            ends = _ends(some)
        return _marked(texts, some, _holders(ends, starts))

    def _piece(self, piece: Piece) -> Mask:
        if not piece.ascii:
            return self._texts(piece)
        starts = self._starts(np.frombuffer(piece.data, dtype=np.uint8))
        if not len(starts):
            return np.zeros(len(piece.numbers), dtype=np.bool_)
        return piece.where(_holders(piece.ends, starts))

    def _starts(self, raw: Bytes) -> Slots:
        """Where it begins in joined texts of ASCII signs: in a bit at a time, which stays in the cache."""
        long = len(self.bytes) - 1
        found = [
            start + self._starts_in(raw[start : start + CHUNK + long])
            for start in range(0, len(raw) - long, CHUNK)
        ]
        return np.concatenate(found) if found else np.empty(0, dtype=np.intp)

    def _starts_in(self, raw: Bytes) -> Slots:
        last = len(raw) - len(self.bytes) + 1
        small = raw | CASE if self._letters else raw
        (place, sign, letter), *rest = self._signs
        hits: Mask = (small if letter else raw)[place : place + last] == sign
        for place, sign, letter in rest[:1]:
            hits &= (small if letter else raw)[place : place + last] == sign
        starts: Slots = hits.nonzero()[0]
        for place, sign, letter in rest[1:]:
            if not len(starts):
                break
            own = raw[starts + place]
            starts = starts[(own | CASE if letter else own) == sign]
        return starts

    def _texts(self, piece: Piece) -> Mask:
        """Lower case is more than a bit there."""
        numbers = [
            number for number in range(1, len(piece.ends)) if self.part in plain(piece.one(number)).lower()
        ]
        return piece.where(np.array(numbers, dtype=np.intp))


def _numbers(slots: Slots) -> Sequence[int]:
    """Slots one by one; a range where they lie in a row."""
    first, last = int(slots[0]), int(slots[-1])
    if last - first + 1 == len(slots) and (slots[1:] > slots[:-1]).all():
        return range(first, last + 1)
    numbers: list[int] = slots.tolist()
    return numbers


def _joined(texts: Sequence[str | None]) -> tuple[Sequence[str], str]:
    """Some texts in one; those that are not empty, where there are some without any."""
    some = cast("Sequence[str]", texts)
    try:
        return some, BETWEEN.join(some)
    except TypeError:  # Cheaper than to look through them before.
        some = list(filter(None, texts))
        return some, BETWEEN.join(some)


def holding(texts: Sequence[str | None], part: str) -> Mask:
    """Which of some texts hold a part, given in lower case: found in all of them joined."""
    some, joined = _joined(texts)
    lowered = joined.lower()
    at = lowered.find(part)
    if at < 0 or not part:
        return np.zeros(len(texts), dtype=np.bool_)
    if len(lowered) != len(joined) or BETWEEN in part or NUL in part:
        # Places are others in lower case, or the part may be found where no text is.
        return np.array([part in plain(text).lower() for text in texts], dtype=np.bool_)
    starts = []
    while at >= 0:
        starts.append(at)
        end = lowered.find(BETWEEN, at)
        at = lowered.find(part, end) if end >= 0 else -1
    return _marked(texts, some, _holders(_ends(some), np.array(starts, dtype=np.intp)))


def _holders(ends: npt.NDArray[Any], starts: Slots) -> Slots:
    """Numbers of the joined texts that one of these is in, by where each of them ends."""
    if len(starts) <= len(ends):
        found: Slots = np.searchsorted(ends, starts, side="right")
        return found
    before = np.searchsorted(starts, ends)
    return np.flatnonzero(np.diff(before, prepend=0, append=len(starts)))


def _ends(texts: Sequence[str]) -> Slots:
    """Behind which sign of the joined texts each of them ends."""
    lengths = np.fromiter(map(len, texts), dtype=np.intp, count=len(texts))
    ends: Slots = np.cumsum(lengths + len(BETWEEN))
    return ends


def _marked(texts: Sequence[str | None], some: Sequence[str], numbers: Slots) -> Mask:
    """Those of the texts that have these numbers in `some`."""
    found: Mask = np.zeros(len(texts), dtype=np.bool_)
    if len(some) < len(texts):
        numbers = np.flatnonzero(np.fromiter(map(bool, texts), dtype=np.bool_, count=len(texts)))[numbers]
    found[numbers] = True
    return found
