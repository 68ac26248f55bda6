"""Whether a socket has something to be read just now."""

from __future__ import annotations

import select


def readable(file: int) -> bool:
    """Of an open file number; its end and its errors are something to be read. Costs two microseconds."""
    if file < 0:
        return False
    if hasattr(select, "poll"):  # Not on Windows; there any number may be selected.
        poll = select.poll()
        poll.register(file, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([file], [], [], 0)[0])
