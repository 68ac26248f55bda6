"""What the mouse does on the dashboard: clicks and the wheel, by what lies under them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual import events
from textual.widget import Widget

from lazycelery.keys import Scope
from lazycelery.tui import wire
from lazycelery.tui.desk import Desk
from lazycelery.tui.panes.pane import HEADED, title_at
from lazycelery.tui.presentation.clusters import tab_at
from lazycelery.tui.presentation.reel import moment_at
from lazycelery.tui.sight import ORDER

RIGHT = 3
"""The mouse's other button."""
LINES = 3
"""By which the wheel moves what is under it."""


class Mouse:
    """Tells the desk what is meant. `app` is asked when something is clicked."""

    def __init__(self, desk: Desk, app: Callable[[], wire.LeanApp[Any]]) -> None:
        self._desk, self._app = desk, app

    def click(self, event: events.Click) -> None:
        """A click selects; a second one opens; the right button opens the menu."""
        desk, widget = self._desk, event.widget
        if widget is not None and widget.id == "tabs":
            self._bring(event, widget)
            return
        if widget is None or desk.talk.listens:
            return
        if widget.id == "reel":
            self._turn(event, widget)
        elif widget.id == "main" and desk.views.open is not None and not desk.help:
            line = event.screen_y - widget.region.y
            with self._app().answering():
                desk.point_in_view(line, event.chain == 2, event.button == RIGHT)
        elif (scope := _pane(widget)) is not None:
            self._click_pane(event, widget, scope)

    def wheel(self, event: events.MouseEvent, lines: int) -> None:
        """What is under it moves by so many lines, down where they are positive."""
        event.stop()
        desk, scope = self._desk, _pane(event.widget)
        if scope is not None:
            desk.panes[scope].listing.scroll(lines)
        elif desk.views.open is not None and not desk.help:
            desk.views.open.move(lines)
        else:
            desk.main.scroll(lines)
        desk.show()

    def _bring(self, event: events.Click, widget: Widget) -> None:
        """The cluster whose tab is there comes to the front."""
        desk = self._desk
        name = tab_at(desk.surface.clusters(), desk.look(), widget.size.width, event.screen_x)
        if name is not None:
            desk.surface.bring(name)

    def _turn(self, event: events.Click, widget: Widget) -> None:
        """A replay goes to the moment that is there on its bar."""
        desk = self._desk
        if (reel := desk.reel) is not None:
            moment = moment_at(reel, desk.look(), widget.size.width, event.screen_x - widget.region.x)
            if moment is not None:
                desk.turn_to(moment)

    def _click_pane(self, event: events.Click, widget: Widget, scope: Scope) -> None:
        desk = self._desk
        pane = desk.panes[scope]
        listing = pane.listing
        headed = widget.size.width >= HEADED and widget.size.height > 4
        y = event.screen_y - widget.region.y - (2 if headed else 1)
        index = listing.top + y
        with self._app().answering():
            if headed and y == -1:
                title = title_at(pane, widget.size.width, event.screen_x - widget.region.x)
                if title is not None:
                    desk.sort_by(scope, title)
            elif 0 <= y < listing.page and index < listing.rows.total:
                if event.button == RIGHT:
                    desk.point(scope, index)
                else:
                    desk.select(scope, index, again=event.chain == 2)


def _pane(widget: Widget | None) -> Scope | None:
    """The pane that a widget is."""
    return next((scope for scope in ORDER if widget is not None and scope == widget.id), None)
