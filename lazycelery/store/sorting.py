"""Sorted columns of a million, in steps that nobody notices."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

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


def sort_in_steps(pieces: Sequence[Pair]) -> Generator[None, None, Pair]:
    """All keys in ascending order, and the slots in step with them. Pieces have at most a part each.

    Each piece is parted by the upper digit of its keys, and then it is one part after the other, by digits
    of 16 bits: numpy counts those, several times faster than it compares."""
    pieces, base = _in_order_of_rows([piece for piece in pieces if len(piece[0])])
    total = sum(len(keys) for keys, _ in pieces)
    # Filled bit by bit: fresh memory costs when it is first touched.
    found = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.intp)
    if total:
        yield from _fill(pieces, base, found)
    return found


def _in_order_of_rows(pieces: list[Pair]) -> tuple[list[Pair], int]:
    """The pieces, and the bits of a key that need not be looked at, as what has all others alike ascends from
    piece to piece; 0 where they cannot be put so at once."""
    turned: list[tuple[int, int, Pair]] = []
    for keys, slots in pieces:
        low = keys & LAST_ROW
        if low[0] > low[-1]:
            keys, slots, low = keys[::-1], slots[::-1], low[::-1]
        if not (low[1:] > low[:-1]).all():
            return pieces, 0
        turned.append((int(low[0]), int(low[-1]), (keys, slots)))
    turned.sort(key=lambda one: one[:2])
    if any(one[1] >= other[0] for one, other in pairwise(turned)):
        return pieces, 0
    return [piece for _, _, piece in turned], ROW_BITS


def _fill(pieces: Sequence[Pair], base: int, found: Pair) -> Generator[None, None, None]:
    """Put the keys of the pieces, all of them, in order into `found`. Their last `base` bits are in order."""
    total = len(found[0])
    low, high = min(int(keys.min()) for keys, _ in pieces), max(int(keys.max()) for keys, _ in pieces)
    if low >> base == high >> base:
        yield from _joined(pieces, found)
        return
    shift = base + max(0, ((high >> base) - (low >> base)).bit_length() - DIGIT)
    if (high >> shift) - (low >> shift) >> DIGIT:
        shift += 1
    if total <= PART:
        _put(pieces, base, shift, found)
        yield
        return
    parts = _parts(pieces, shift, low >> shift, total)
    parted = []
    for piece in pieces:
        parted.append(_parted(piece, shift, low >> shift, parts))
        yield
    end = 0
    for some in zip(*parted, strict=True):
        start, end = end, end + sum(len(keys) for keys, _ in some)
        mine = found[0][start:end], found[1][start:end]
        if MOST * PART < end - start < total:
            yield from _fill([one for one in some if len(one[0])], base, mine)
        elif start < end:
            _put(some, base, shift, mine)
            yield


def _joined(pieces: Sequence[Pair], found: Pair) -> Generator[None, None, None]:
    """The same where they are in order."""
    end = 0
    for keys, slots in pieces:
        start, end = end, end + len(keys)
        found[0][start:end], found[1][start:end] = keys, slots
        yield


def _put(pieces: Sequence[Pair], base: int, shift: int, found: Pair) -> None:
    """The same in one go, for keys of which the bits from `shift` on span no more than a digit."""
    keys = np.concatenate([keys for keys, _ in pieces])
    slots = np.concatenate([slots for _, slots in pieces])
    last = ((keys >> shift) - (int(keys.min()) >> shift)).astype(np.uint16)
    if base >= shift:
        order = np.argsort(last, kind="stable")
    else:
        order = np.argsort((keys >> base).astype(np.uint16), kind="stable")
        for at in range(base + DIGIT, shift, DIGIT):
            digits = (keys >> at).astype(np.uint16).take(order, mode="clip")
            order = order.take(np.argsort(digits, kind="stable"), mode="clip")
        # Bits that two digits share are sorted by twice, and that changes nothing.
        digits = last.take(order, mode="clip")
        order = order.take(np.argsort(digits, kind="stable"), mode="clip")
    np.take(keys, order, out=found[0], mode="clip")
    np.take(slots, order, out=found[1], mode="clip")


def _parts(pieces: Sequence[Pair], shift: int, low: int, total: int) -> Numbers:
    """By a key's upper digit the number of its part. Parts are of about the same length; a digit that more
    keys have has one for itself."""
    step = max(1, total // SAMPLED)
    sample = np.sort(np.concatenate([keys[::step] for keys, _ in pieces]) >> shift) - low
    count = min(total // PART + 1, 120)
    bounds, often = np.unique(sample[np.arange(1, count) * len(sample) // count], return_counts=True)
    bounds = np.union1d(bounds, bounds[often > 1] - 1)
    behind = np.zeros((1 << DIGIT) + 1, dtype=np.uint8)
    behind[bounds[bounds >= 0] + 1] = 1
    parts: Numbers = np.cumsum(behind, dtype=np.uint8)
    return parts


def _parted(piece: Pair, shift: int, low: int, parts: Numbers) -> list[Pair]:
    keys, slots = piece
    numbers = parts.take((keys >> shift) - low, mode="clip")
    order = np.argsort(numbers, kind="stable")
    keys, slots = keys.take(order, mode="clip"), slots.take(order, mode="clip")
    ends = np.searchsorted(numbers.take(order, mode="clip"), np.arange(parts[-1], dtype=np.uint8), "right")
    return [(keys[start:end], slots[start:end]) for start, end in pairwise([0, *ends.tolist(), len(keys)])]


def in_pieces(pair: Pair) -> list[Pair]:
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
