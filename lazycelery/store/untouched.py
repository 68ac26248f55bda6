"""Fresh memory for columns: noughts that cost nothing before they are touched."""

from __future__ import annotations

import contextlib
import mmap
import sys
from typing import Any

import numpy as np
import numpy.typing as npt


def untouched(length: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Noughts in memory of their own. What `np.zeros` gives may have been used before, and is cleared at once
    then: milliseconds for a million."""
    size = np.dtype(kind).itemsize * length
    return np.frombuffer(_private(max(size, mmap.PAGESIZE)), dtype=kind, count=length)


def _private(size: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    # Shared memory, the default, costs half as much again when it is first touched.
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with contextlib.suppress(OSError):  # A kernel without them.
            # Where a system gives huge pages to all, each column of a few tasks would take megabytes.
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory
