"""Keys that would change what is not in sight: they say so, and do nothing."""

from __future__ import annotations

from dataclasses import dataclass

from lazycelery.tui.presentation.look import Look

ON_LIST = ("faults", "sort", "sort.reverse", "mark.all")
"""Actions that are about the leading list."""
ON_PAGE = ("wrap", "main.down", "main.up", "tab.next", "tab.previous", "outside")
"""Those that are about the page of what is selected."""
SIZES = ("size.grow", "size.shrink", "size.alone")


@dataclass(frozen=True)
class InSight:
    """What the screen shows now."""

    listed: bool
    """The leading list."""
    paged: bool
    """The page of what is selected."""
    view: bool
    """A full view."""
    help: bool


def unseen(action: str, seen: InSight, look: Look) -> str:
    """Why an action is not done, in a sentence; empty when what it is about is in sight."""
    if action in ON_LIST and not seen.listed:
        return f"That is done to a list, and none is in sight. {look.key('back')} leads back to it."
    if action in ON_PAGE and not (seen.paged or seen.view or seen.help):
        keys = f"{look.key('size.alone')} or {look.key('pane.next')}"
        return f"The page is not in sight. {keys} leads to it."
    if action in SIZES and not seen.listed and (seen.view or seen.help):
        return f"This fills the screen already. {look.key('back')} leaves it."
    return ""
