"""Sorted columns of a million, in steps that nobody notices."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lazycelery.store.untouched import room

PART = 32_768
"""Sorted in one go: a millisecond or two."""
SAMPLED = 8192
DIGIT = 16
"""Bits that are sorted by at once."""
MOST = 4
"""Parts' lengths that are still sorted in one go."""
ROW_BITS = 33
"""The last bits of a key, which tell rows apart."""
LAST_ROW = (1 << ROW_BITS) - 1

Keys = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint8]
Slots = npt.NDArray[np.intp]
Pair = tuple[Keys, Slots]
Piece = tuple[Keys, Slots | slice]
"""Keys and their slots, which a slice tells where they lie in a row."""


class Turned(NamedTuple):
    """A piece, and whether it is to be read from its end to its beginning."""

    keys: Keys
    slots: Slots | slice
    backwards: bool

    def pair(self) -> Pair:
        """Keys and slots as they are to be read."""
        slots = self.slots
        if isinstance(slots, slice):
            slots = np.arange(slots.start, slots.stop)
        return (self.keys[::-1], slots[::-1]) if self.backwards else (self.keys, slots)


def sort_in_steps(pieces: Sequence[Piece]) -> Generator[None, None, Pair]:
    """All keys in ascending order, and the slots in step with them. Pieces have at most a part each.

    Each piece is parted by the upper digit of its keys, and then it is one part after the other, by digits
    of 16 bits: numpy counts those, several times faster than it compares."""
    turned, base = _in_order_of_rows([piece for piece in pieces if len(piece[0])])
    yield
    # Filled bit by bit: fresh memory costs when it is first touched.
    found = _room(sum(len(piece.keys) for piece in turned))
    if turned:
        yield from _fill(turned, base, found)
    return found


def _room(total: int) -> Pair:
    return room(total, np.int64), room(total, np.intp)


def _in_order_of_rows(pieces: list[Piece]) -> tuple[list[Turned], int]:
    """The pieces, and the bits of a key that need not be looked at, as what has all others alike ascends from
    piece to piece; 0 where they cannot be put so at once."""
    as_they_are = [Turned(keys, slots, False) for keys, slots in pieces]
    turned: list[tuple[int, int, Turned]] = []
    for keys, slots in pieces:
        low = keys & LAST_ROW
        first, last = int(low[0]), int(low[-1])
        backwards = first > last
        if not ((low[1:] < low[:-1]) if backwards else (low[1:] > low[:-1])).all():
            return as_they_are, 0
        turned.append((min(first, last), max(first, last), Turned(keys, slots, backwards)))
    turned.sort(key=lambda one: one[:2])
    if any(one[1] >= other[0] for one, other in pairwise(turned)):
        return as_they_are, 0
    return [piece for _, _, piece in turned], ROW_BITS


def _fill(pieces: Sequence[Turned], base: int, found: Pair) -> Generator[None, None, None]:
    """Put the keys of the pieces, all of them, in order into `found`. Their last `base` bits are in order."""
    total = len(found[0])
    low, high = min(int(one.keys.min()) for one in pieces), max(int(one.keys.max()) for one in pieces)
    if low >> base == high >> base:
        yield from _joined(pieces, found)
        return
    if total <= PART:
        _put([piece.pair() for piece in pieces], base, found)
        yield
        return
    shift = base + max(0, ((high >> base) - (low >> base)).bit_length() - DIGIT)
    if (high >> shift) - (low >> shift) >> DIGIT:
        shift += 1
    parts = _parts(pieces, shift, low >> shift, total)
    parted, fresh, end = [], _room(total), 0
    for piece in pieces:
        start, end = end, end + len(piece.keys)
        parted.append(_parted(piece, shift, low >> shift, parts, (fresh[0][start:end], fresh[1][start:end])))
        yield
    end = 0
    for some in zip(*parted, strict=True):
        start, end = end, end + sum(len(keys) for keys, _ in some)
        mine = found[0][start:end], found[1][start:end]
        if MOST * PART < end - start < total:
            yield from _fill([Turned(keys, slots, False) for keys, slots in some if len(keys)], base, mine)
        elif start < end:
            _put(some, base, mine)
            yield


def _joined(pieces: Sequence[Turned], found: Pair) -> Generator[None, None, None]:
    """The same where they are in order."""
    end = 0
    for piece in pieces:
        start, end = end, end + len(piece.keys)
        found[0][start:end], found[1][start:end] = piece.pair()
        yield


def _put(pieces: Sequence[Pair], base: int, found: Pair) -> None:
    """The same in one go."""
    keys = np.concatenate([keys for keys, _ in pieces])
    slots = np.concatenate([slots for _, slots in pieces])
    ranks = keys >> base
    ranks -= ranks.min()
    order = _by_digits(ranks)
    np.take(keys, order, out=found[0], mode="clip")
    np.take(slots, order, out=found[1], mode="clip")


def _by_digits(ranks: Keys) -> Slots:
    """The places of numbers from 0 on in ascending order, equal ones as they stand."""
    bits = int(ranks.max()).bit_length()
    order = np.argsort(ranks.astype(np.uint16), kind="stable")
    for at in range(DIGIT, bits, DIGIT):
        # What has a byte at most is sorted by in half the time.
        digits = (ranks >> at).astype(np.uint8 if bits - at <= 8 else np.uint16).take(order, mode="clip")
        order = order.take(np.argsort(digits, kind="stable"), mode="clip")
    return order


def _parts(pieces: Sequence[Turned], shift: int, low: int, total: int) -> Numbers:
    """By a key's upper digit the number of its part. Parts are of about the same length; a digit that more
    keys have has one for itself."""
    step = max(1, total // SAMPLED)
    sample = (np.concatenate([piece.keys[::step] for piece in pieces]) >> shift) - low
    ordered = np.sort(sample.astype(np.uint16), kind="stable").astype(np.intp)
    count = min(total // PART + 1, 120)
    bounds, often = np.unique(ordered[np.arange(1, count) * len(ordered) // count], return_counts=True)
    bounds = np.concatenate([bounds, bounds[often > 1] - 1])
    behind = np.zeros((1 << DIGIT) + 1, dtype=np.uint8)
    behind[bounds[bounds >= 0] + 1] = 1
    parts: Numbers = np.cumsum(behind, dtype=np.uint8)
    return parts


def _parted(piece: Turned, shift: int, low: int, parts: Numbers, room: Pair) -> list[Pair]:
    """A piece's keys and slots by their parts, put into `room`."""
    digits = piece.keys >> shift
    digits -= low
    numbers = parts.take(digits, mode="clip")
    order = np.argsort(numbers[::-1] if piece.backwards else numbers, kind="stable")
    if piece.backwards:
        order = np.subtract(len(order) - 1, order, out=order)
    keys, slots = room
    np.take(piece.keys, order, out=keys, mode="clip")
    if isinstance(piece.slots, slice):
        np.add(order, piece.slots.start, out=slots)
    else:
        np.take(piece.slots, order, out=slots, mode="clip")
    ends = np.searchsorted(numbers, np.arange(parts[-1], dtype=np.uint8), "right", sorter=order)
    return [(keys[start:end], slots[start:end]) for start, end in pairwise([0, *ends.tolist(), len(keys)])]


def in_pieces(pair: Pair) -> list[Piece]:
    """A pair cut into pieces of a part."""
    keys, slots = pair
    return [(keys[start : start + PART], slots[start : start + PART]) for start in range(0, len(keys), PART)]


def without(pair: Pair, gone: Keys) -> Generator[None, None, Pair]:
    """A sorted pair without some of its keys."""
    keys, slots = pair
    keep = np.ones(len(keys), dtype=np.bool_)
    for start in range(0, len(gone), PART):
        keep[np.searchsorted(keys, gone[start : start + PART])] = False
        yield
    kept = keys[keep]
    yield
    return kept, slots[keep]


def merged(one: Pair, other: Pair) -> Generator[None, None, Pair]:
    """Two sorted pairs as one; the second one is short as a rule."""
    (keys, slots), (new, new_slots) = one, other
    if not len(keys) or not len(new) or new[0] > keys[-1]:
        return np.concatenate([keys, new]), np.concatenate([slots, new_slots])
    if len(new) > PART:
        return (yield from sort_in_steps([*in_pieces(one), *in_pieces(other)]))
    places = np.searchsorted(keys, new)
    more = np.insert(keys, places, new)
    yield
    return more, np.insert(slots, places, new_slots)
