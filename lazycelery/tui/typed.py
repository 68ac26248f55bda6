"""What a terminal sends, as keys: an escape that came in one packet with the next key is still an escape.

Textual takes `ESC e` for alt+e, `ESC :` for a colon and `ESC 3` for a pound sign. No key of ours is with
alt, and on a slow line what was typed one after the other arrives together, so the escape would be lost.

One limit stays: with `[`, `O`, `]` or `P` directly behind it in the same packet, an escape looks like the
beginning of a terminal's own sequence. It is dropped then, and `[` and `]` act as if it had not been typed.

The private names of Textual that this takes live here and nowhere else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.message import Message

ESC = "\x1b"
BEGINS = frozenset("[O]P")
"""What goes on after an escape in a sequence that terminals send."""
PASTE, PASTED = "\x1b[200~", "\x1b[201~"
_AT_ESCAPES = re.compile(f"(?={ESC})")


class TypedAhead(XTermParser):
    """Tells an escape from the key behind it, however they are split over packets."""

    _sequence = ""
    """What came since the last escape, as far as it matters."""
    _pasting = False

    def feed(self, data: str) -> Iterable[Message]:
        """Characters of the terminal; the end of input when there are none."""
        if not data:
            yield from super().feed(data)
        for piece in _AT_ESCAPES.split(data):
            if piece.startswith(ESC):
                self._note(ESC)
                yield from super().feed(ESC)
                piece = piece[1:]
            if piece:
                waits = self._timeout_time is not None and self._sequence == ESC
                if waits and not self._pasting and piece[0] not in BEGINS:
                    # The moment that Textual would wait for the rest of a sequence is over.
                    self._timeout_time = 0.0
                    yield from self.tick()
                self._note(piece)
                yield from super().feed(piece)

    def _note(self, piece: str) -> None:
        self._sequence = ESC if piece == ESC else (self._sequence + piece)[: len(PASTE)]
        if self._sequence in (PASTE, PASTED):
            self._pasting = self._sequence == PASTE


def read_escapes_apart() -> None:
    """From now on terminals are read like this."""
    if sys.platform != "win32":
        from textual.drivers import linux_driver

        linux_driver.XTermParser = TypedAhead  # type: ignore[attr-defined]
