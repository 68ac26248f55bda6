"""How things are written on this screen at this moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from lazycelery.keys import Keymap, symbol
from lazycelery.tui.presentation.quantities import rough_age
from lazycelery.tui.presentation.signs import UNICODE, Signs


@dataclass(frozen=True)
class Look:
    """What every picture may know beside its data."""

    now: float
    """The moment ages are counted from, epoch seconds."""
    signs: Signs = UNICODE
    utc: bool = False
    keys: Keymap = field(default_factory=Keymap)
    width: int = 80
    """Cells of the terminal."""
    as_of: float | None = None
    """When what is shown was true, epoch seconds, where that is past; `None` while we are connected."""

    @property
    def old(self) -> str:
        """How old what is shown is; "" while it is the present."""
        return "" if self.as_of is None else f"{rough_age(self.now - self.as_of)} old"

    def key(self, id: str) -> str:
        """The key of an action, as it is written."""
        return symbol(self.keys[id].keys[0])
