"""Sorted columns of a million, in steps that nobody notices."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

PART = 32_768
"""Sorted in one go: a millisecond or two."""
SAMPLED = 8192

Keys = npt.NDArray[np.int64]
Slots = npt.NDArray[np.intp]
Pair = tuple[Keys, Slots]


def sort_in_steps(pieces: Sequence[Pair]) -> Generator[None, None, Pair]:
    """All keys in ascending order, and the slots in step with them. Pieces have at most a part each:
    they are parted by a sample first, and then it is one part after the other."""
    pieces = [piece for piece in pieces if len(piece[0])]
    total = sum(len(keys) for keys, _ in pieces)
    if total <= PART:
        keys = np.concatenate([np.empty(0, dtype=np.int64), *(keys for keys, _ in pieces)])
        slots = np.concatenate([np.empty(0, dtype=np.intp), *(slots for _, slots in pieces)])
        order = _order(keys)
        return keys[order], slots[order]
    bounds = _bounds(pieces, total)
    parted = []
    for piece in pieces:
        parted.append(_parted(piece, bounds))
        yield
    # Filled bit by bit: fresh memory costs when it is first touched.
    all_keys, all_slots = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.intp)
    end = 0
    for part in range(len(bounds) + 1):
        keys, slots = _sorted([piece[part] for piece in reversed(parted)])
        start, end = end, end + len(keys)
        all_keys[start:end], all_slots[start:end] = keys, slots
        yield
    return all_keys, all_slots


def _sorted(pieces: Sequence[Pair]) -> Pair:
    keys = np.concatenate([np.empty(0, dtype=np.int64), *(piece[0] for piece in pieces)])
    slots = np.concatenate([np.empty(0, dtype=np.intp), *(piece[1] for piece in pieces)])
    order = _merging(keys, pieces)
    return keys[order], slots[order]


def _merging(keys: Keys, pieces: Sequence[Pair]) -> Slots:
    """The order of keys of which each piece is sorted."""
    ends = [(int(low.min()), int(low.max())) for low in (_low(part) for part, _ in pieces if len(part))]
    if all(one[1] < other[0] for one, other in pairwise(ends)):
        # The lower halves ascend from piece to piece: where the upper ones are equal, all are in order.
        return _by_digits(_high(keys))
    return np.argsort(keys, kind="stable")


def _order(keys: Keys) -> Slots:
    """The order of some keys, by their digits: several times faster than by comparing them."""
    if len(keys) < 2:
        return np.arange(len(keys))
    low = _low(keys)
    if (low[1:] > low[:-1]).all():
        return _by_digits(_high(keys))
    if (low[1:] < low[:-1]).all():
        return len(keys) - 1 - _by_digits(_high(keys)[::-1])
    order = _by_digits(low)
    return order[_by_digits(_high(keys)[order])]


def _by_digits(numbers: npt.NDArray[np.uint32]) -> Slots:
    """The order of some numbers; what is equal stays as it was."""
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    high = (numbers >> np.uint32(16)).astype(np.uint16)[order]
    return order[np.argsort(high, kind="stable")]


def _low(keys: Keys) -> npt.NDArray[np.uint32]:
    """The lower half of each key."""
    return keys.astype(np.uint32)


def _high(keys: Keys) -> npt.NDArray[np.uint32]:
    return (keys >> 32).astype(np.uint32)


def _bounds(pieces: Sequence[Pair], total: int) -> Keys:
    """Keys between which parts of about the same length lie."""
    step = max(1, total // SAMPLED)
    sample = np.sort(np.concatenate([keys[::step] for keys, _ in pieces]))
    parts = total // PART + 1
    places = np.arange(1, parts) * len(sample) // parts
    return sample[places]


def _parted(piece: Pair, bounds: Keys) -> list[Pair]:
    keys, slots = piece
    order = _order(keys)
    keys, slots = keys[order], slots[order]
    cuts = np.searchsorted(keys, bounds)
    return list(zip(np.split(keys, cuts), np.split(slots, cuts), strict=True))


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
