"""May we paint? The line to the terminal can be slower than we are.

Textual queues 30 frames and then blocks its event loop until the terminal has read one. Painting
only when the queue is empty keeps the keys alive on a slow line. The private names of Textual that
this takes live here and nowhere else.
"""

from __future__ import annotations

from typing import Any

from textual.app import App


def behind(app: App[Any]) -> bool:
    """Whether the terminal has still to take an earlier frame."""
    writer = getattr(getattr(app, "_driver", None), "_writer_thread", None)
    queue = getattr(writer, "_queue", None)
    return queue is not None and queue.qsize() > 0


def drop_frames(app: App[Any]) -> None:
    """Forget frames that no terminal has read yet: the program is about to end."""
    writer = getattr(getattr(app, "_driver", None), "_writer_thread", None)
    queue = getattr(writer, "_queue", None)
    if queue is None:
        return
    with queue.mutex:
        queue.queue.clear()
        queue.not_full.notify_all()
