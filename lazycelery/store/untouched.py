"""Fresh memory for columns: noughts that cost nothing before they are touched."""

from __future__ import annotations

import contextlib
import mmap
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

HUGE = 1 << 21
"""Bytes of a huge page, of most processors."""


def untouched(length: int, kind: npt.DTypeLike, soon: int = 0) -> npt.NDArray[Any]:
    """Noughts in memory of their own. What `np.zeros` gives may have been used before, and is cleared at once
    then: milliseconds for a million. The first `soon` are all written soon: they get huge pages, where there
    are any, which cost a tenth when first touched."""
    item = np.dtype(kind).itemsize
    memory = _private(max(item * length, mmap.PAGESIZE), item * soon)
    return np.frombuffer(memory, dtype=kind, count=length)


def room(length: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Memory that is written soon, all of it."""
    if np.dtype(kind).itemsize * length < HUGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.empty(length, dtype=kind)
    return untouched(length, kind, length)


def _private(size: int, soon: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    huge = (soon + HUGE // 2) // HUGE * HUGE  # No more than half of one is in vain.
    if huge:
        size = -(-size // HUGE) * HUGE  # Only then it begins with a whole one.
    # Shared memory, the default, costs half as much again when it is first touched.
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # A kernel without them.
            # Where a system gives huge pages to all, each column of a few tasks would take megabytes.
            if huge < size:
                memory.madvise(mmap.MADV_NOHUGEPAGE, huge)
            if huge:
                memory.madvise(mmap.MADV_HUGEPAGE, 0, huge)
    return memory
