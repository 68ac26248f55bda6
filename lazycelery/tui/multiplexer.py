"""GNU screen between us and the terminal: what it keeps back, and how it is passed."""

from __future__ import annotations

import base64
from collections.abc import Mapping

PIECE = 240
"""Bytes of a string that every GNU screen passes on; what is longer, some of them spill over the picture."""
WIPE = "\x1b[0m\x1b[2J\x1b[H"
"""GNU screen keeps a picture after the program that drew it, unless it was told `altscreen on`."""


def in_gnu_screen(environ: Mapping[str, str]) -> bool:
    """Whether GNU screen runs on this machine, and we in it. While a program hears the mouse, it keeps an
    escape back until the next key.
    """
    return bool(environ.get("STY")) and _maybe(environ)


def clipboard(text: str, environ: Mapping[str, str]) -> tuple[str, bool]:
    """What puts a text in the terminal's clipboard, and whether the picture may suffer from it.

    GNU screen drops the order unless it is wrapped, in pieces, and spills a long one. At the other end of an
    SSH line nobody tells whether `TERM=screen` is GNU screen or tmux: both forms are sent, and each takes
    its own.
    """
    order = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"
    if not _maybe(environ) or (environ.get("TMUX") and not environ.get("STY")):
        return order, False
    pieces = (order[at : at + PIECE] for at in range(0, len(order), PIECE))
    wrapped = "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    if environ.get("STY"):
        return wrapped, False
    return order + wrapped, len(order) > PIECE


def _maybe(environ: Mapping[str, str]) -> bool:
    return environ.get("TERM", "").startswith("screen")
