"""Texts of tasks that are over, block by block in one piece each: half the memory, and searched at once.

A text object takes 50 bytes beside its characters, and a million of them lie all over the memory. So the
texts of a block's ended tasks are joined, each different one once, and `SEALED` stands in their place.
What is written to such a task later stands in the list again, and counts.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from lazycelery.model.states import State

BLOCK = 4096
"""Slots of a block; a power of two."""
FIELDS = ("args", "kwargs", "result", "error")
SEALED = "\x00\x00sealed"
"""Stands in a list for a text that its block holds. Known by identity."""
WORTH = 4
"""A block is sealed (again) once a fourth of it waits for that."""
LOOKED_AT = 32
"""Blocks looked at in one step where nothing is to be done."""
_NOUGHT = np.zeros(1, dtype=np.uint32)
HEX = b"0123456789abcdef-"
BETWEEN = "\x01"
"""Between joined texts."""
ENDED = np.zeros(len(State), dtype=np.bool_)
for _state in (State.SUCCESS, State.FAILURE, State.REVOKED, State.REJECTED):
    ENDED[_state] = True

Mask = npt.NDArray[np.bool_]
Texts = list[str | None]
Steps = Generator[None, None, None]
Text = TypeVar("Text", bound="str | None")


class Piece:
    """The texts of one field of a block."""

    __slots__ = ("_end_of", "_number_at", "ascii", "data", "ends", "numbers")

    def __init__(self, texts: Sequence[str | None]) -> None:
        codes: dict[str, int] = {}
        numbers = [0 if text is None else codes.setdefault(text, len(codes) + 1) for text in texts]
        self.numbers: npt.NDArray[np.uint16] = np.array(numbers, dtype=np.uint16)
        """By place in the block the text's number; 0 for none."""
        joined = BETWEEN.join(["", *codes])
        self.ascii = joined.isascii()
        self.data = joined.encode("utf-8", "surrogatepass")
        lengths = map(len, codes if self.ascii else [one.encode("utf-8", "surrogatepass") for one in codes])
        self.ends: npt.NDArray[np.uint32] = np.fromiter(lengths, dtype=np.uint32, count=len(codes))
        self.ends = np.concatenate([_NOUGHT, np.cumsum(self.ends + 1, dtype=np.uint32)])
        """Where each text ends, by its number; it begins behind the sign after the one before."""
        # A single number comes out of these in half the time.
        self._number_at, self._end_of = self.numbers.data, self.ends.data

    def read(self, place: int) -> str | None:
        """The text of a place, where it has one in here."""
        number = self._number_at[place]
        return self.one(number) if number else None

    def one(self, number: int) -> str:
        """A text by its number."""
        text = self.data[self._end_of[number - 1] + 1 : self._end_of[number]]  # One for `BETWEEN`.
        return text.decode("ascii") if self.ascii else text.decode("utf-8", "surrogatepass")

    def where(self, numbers: npt.NDArray[np.intp]) -> Mask:
        """Places that have one of these texts."""
        wanted = np.zeros(len(self.ends), dtype=np.bool_)
        wanted[numbers] = True
        found: Mask = wanted[self.numbers]
        return found


class Block(NamedTuple):
    """What was sealed of a block at one time. Never changes: a newer one takes its place."""

    stamp: int
    """The store's changes by then: a slot with a higher stamp may have other texts since."""
    inside: Mask
    """By place, whether the slot's texts are in here."""
    pieces: dict[str, Piece]
    plain_ids: bool
    """Whether the ids of these tasks are made of hexadecimal digits and dashes alone, as Celery's are."""


class Sealed:
    """The sealed blocks of some lists of texts. The lists are the truth, but for `SEALED` in them."""

    def __init__(self, lists: dict[str, Texts]) -> None:
        self._lists = lists
        self.blocks: dict[int, Block] = {}
        self._before = 0
        """The store's changes when last looked for what may be sealed."""

    def text(self, field: str, slot: int) -> str | None:
        """A slot's text. May be asked in another thread."""
        column = self._lists[field]
        while (text := column[slot]) is SEALED:  # By identity: nothing that a task holds is taken for it.
            text = self.blocks[slot // BLOCK].pieces[field].read(slot % BLOCK)
            if text is not None:
                break
            # It was taken out just now: the list has it.
        return text

    def texts(self, field: str, slots: Sequence[int]) -> Texts:
        """The texts of many slots."""
        found = gathered(self._lists[field], slots)
        if SEALED in found:
            for place, text in enumerate(found):
                if text is SEALED:
                    found[place] = self.text(field, slots[place])
        return found

    def inside(self, number: int, stamps: npt.NDArray[np.int64]) -> Mask | None:
        """Places of a block whose texts are all as its pieces have them; `stamps` are its slots'. `None`:
        there is no such block."""
        block = self.blocks.get(number)
        if block is None:
            return None
        found: Mask = block.inside[: len(stamps)] & (stamps <= block.stamp)
        return found

    def forget(self, missing: Mask, used: int, since: int) -> None:
        """The columns go back to a moment at which `used` slots were in use; `missing` of all slots changed
        after `since` of their changes, and get their texts anew."""
        for number, block in list(self.blocks.items()):
            start = number * BLOCK
            if start >= used:
                del self.blocks[number]
                continue
            # Later changes get numbers again that a block may have been sealed at.
            there = ~missing[start : start + BLOCK]
            inside = np.zeros_like(block.inside)  # Fewer slots than a block has may have been in use, too.
            inside[: len(there)] = block.inside[: len(there)] & there
            self.blocks[number] = block._replace(stamp=min(block.stamp, since), inside=inside)
        self._before = 0

    def steps(self, used: int, changes: int, numbers: dict[str, npt.NDArray[Any]], ids: list[str]) -> Steps:
        """Seal what has been over and unchanged since this was last run, a field of a block a step.
        `numbers` are the columns `stamp`, `state` and `row`."""
        before, self._before = self._before, changes
        for start in range(0, used - BLOCK + 1, BLOCK):
            own = {name: one[start : start + BLOCK] for name, one in numbers.items()}
            over = ENDED[own["state"]] & (own["stamp"] <= before) & (own["row"] != 0)
            known = self.blocks.get(start // BLOCK)
            fresh = over if known is None else over & (~known.inside | (own["stamp"] > known.stamp))
            if np.count_nonzero(fresh) * WORTH >= BLOCK:
                yield from self._seal(start, before, over, own["stamp"], ids)
            elif start // BLOCK % LOOKED_AT == 0:
                yield

    def _seal(
        self, start: int, stamp: int, over: Mask, stamps: npt.NDArray[np.int64], ids: list[str]
    ) -> Steps:
        """A field a step; tasks may change in between. `stamps` are the block's, as they are at any time."""
        end = start + BLOCK
        others = (start + np.flatnonzero(~over)).tolist()
        pieces = {}
        for field, column in self._lists.items():
            for slot in others:
                if column[slot] is SEALED:  # The task goes on.
                    column[slot] = self.text(field, slot)
            texts = self.texts(field, range(start, end))
            for slot in others:
                texts[slot - start] = None
            pieces[field] = Piece(texts)
            yield
        own = "".join(ids[start:end]).encode("utf-8", "replace")
        # What stood in the older block is in this one, and so is what only now gets its sign.
        self.blocks[start // BLOCK] = Block(stamp, over, pieces, not own.translate(None, HEX))
        # What changed since it was read stands in the lists as it is now, and counts.
        left = (start + np.flatnonzero(~over | (stamps > stamp))).tolist()
        for field, column in self._lists.items():
            signs = [SEALED if number else None for number in pieces[field].numbers.tolist()]
            for slot in left:
                signs[slot - start] = column[slot]
            column[start:end] = signs


def gathered(column: list[Text], slots: Sequence[int]) -> list[Text]:
    """What stands in a list at some places; a range is cut out, in a tenth of the time."""
    if isinstance(slots, range) and slots.step == 1:
        return column[slots.start : slots.stop]
    return list(itemgetter(*slots)(column)) if len(slots) > 1 else [column[slot] for slot in slots]
