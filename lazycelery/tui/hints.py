"""The keys that the footer names: what is needed most where a person is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lazycelery.keys import Action
from lazycelery.tui.views.errors import ErrorsView
from lazycelery.tui.views.live import LiveView
from lazycelery.tui.views.view import Tabbed

if TYPE_CHECKING:
    from lazycelery.tui.sight import Sight

IN_VIEW = ("back", "filter", "open", "pause", "move.down", "help", "quit")
"""Keys that a full view needs most."""
IN_SPANS = ("back", "tab.next", "move.down", "pause", "help", "quit")
"""Keys that a view of several spans needs most: there is nothing to open or filter."""
IN_HELP = ("back", "filter", "move.down", "help", "quit")
"""Keys that help needs."""
ON_PAGE = ("tab.next", "menu", "filter", "unlock", "move.down", "help", "quit")
"""Keys of an opened page, behind those of the thing itself: there is nothing more to open or sort."""
AT_START = ("open", "move.down", "theme", "help", "quit", "move.up", "back", "utc")
"""Actions that mean something while no broker is known, the footer's first."""
START_HINTS = 5
IN_CLUSTERS = ("open", "cluster.close", "cluster.next", "back", "filter", "move.down", "help", "quit")
"""Keys that the list of clusters needs most."""
IN_BEAT = ("back", "filter", "open", "beat.run", "beat.switch", "move.down", "help", "quit")
"""Keys that the list of beat needs most."""
IN_ERRORS = ("back", "open", "deploy", "tab.next", "filter", "sort", "group.new", "move.down", "help", "quit")
"""Keys that the list of errors needs most; behind the second those of a group that are permitted."""
OF_GROUP = ("group.retry", "group.revoke")
OF_GROUPS = ("sort", "group.new")
"""Keys that mean nothing in a heat map."""


def hints(seen: Sight) -> list[Action]:
    """The keys of the footer, best first; those that are locked are left out."""
    keys, allowed = seen.keys, seen.allowed
    if seen.start is not None:
        return [keys[name] for name in AT_START[:START_HINTS]]
    if seen.help:
        return [keys[name] for name in IN_HELP]
    if seen.views.open is not None:
        wanted = [keys[name] for name in _in_view(seen)]
        return [one for one in wanted if one.permission is None or one.permission in allowed]
    footer = keys.footer(seen.lead, allowed)
    if seen.scrolls:
        own = [action for action in footer if action.scope == seen.lead]
        footer = [keys["back"], *own, *(keys[name] for name in ON_PAGE)]
    return [action for action in footer if action.id != "unlock" or seen.reel is None]


def _in_view(seen: Sight) -> Sequence[str]:
    view = seen.views.open
    if isinstance(view, ErrorsView):
        may = [name for name in OF_GROUP if seen.keys[name].permission in seen.allowed]
        shown = [*IN_ERRORS[:2], *may, *IN_ERRORS[2:]]
        return shown if view.grouped else [name for name in shown if name not in OF_GROUPS]
    if isinstance(view, Tabbed):
        return IN_SPANS
    if isinstance(view, LiveView):
        return [name for name in IN_VIEW if name != "open"]  # An event has no page.
    return {"clusters": IN_CLUSTERS, "beat": IN_BEAT}.get(seen.scope, IN_VIEW)
