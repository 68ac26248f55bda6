"""The Textual app: themes, terminal, and one screen."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import SuspendNotSupported
from textual.binding import BindingType

from lazycelery.config.places import themes_directory
from lazycelery.errors import LazyCeleryError
from lazycelery.keys import Keymap, keymap
from lazycelery.tui import outside
from lazycelery.tui.clusters import Cluster, Clusters
from lazycelery.tui.desk import Desk
from lazycelery.tui.hangup import GONE, LOOKED_AT, end_politely, terminal_gone
from lazycelery.tui.history import History, state_directory
from lazycelery.tui.link import EngineProcess, Spawn
from lazycelery.tui.multiplexer import WIPE, in_gnu_screen
from lazycelery.tui.presentation.clusters import ClusterLine
from lazycelery.tui.presentation.signs import ASCII, UNICODE
from lazycelery.tui.screens.dashboard import Dashboard
from lazycelery.tui.settings import Load, Settings
from lazycelery.tui.user_themes import UserThemes
from lazycelery.tui.views.start import StartView
from lazycelery.tui.wardrobe import Wardrobe
from lazycelery.tui.widgets.painted import Painted
from lazycelery.tui.wire import LeanApp

QUITS = "ctrl+q"
"""The key that Textual takes before anybody else."""
THEMES_LOOKED_AT = 2.0
"""Seconds between two looks at the person's own themes."""


class ControlRoom(LeanApp[int]):
    """LazyCelery's screen."""

    CSS_PATH = "dashboard.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self,
        settings: Settings,
        spawn: Spawn,
        keys: Keymap,
        first: EngineProcess | None = None,
        *,
        load: Load | None = None,
        more: Sequence[str] = (),
        demo: bool = False,
    ) -> None:
        self.wardrobe = Wardrobe(UserThemes(themes_directory(os.environ)), settings.ui.theme)
        chosen = self.wardrobe.theme(self.wardrobe.worn)
        super().__init__(chosen.ansi)
        for theme in self.wardrobe.all:
            self.register_theme(theme)
        self.theme = chosen.name
        self.stylesheet.set_variables(self.get_css_variables())
        Painted.ascii_only = settings.ui.ascii
        self.history = History(state_directory)
        self._spawn = spawn
        self._more = more
        """Profiles that are opened behind the first."""
        self.wants_demo = False
        """Whether the person asked for the demo instead."""

        cluster = self._cluster(settings, keys, first)
        self.board = Clusters(settings, cluster, self._cluster, self._fronted, self.paint, load)
        """What is open, and what can be."""
        if not settings.profile.broker:
            start = StartView(
                settings.tried,
                settings.profiles if load else [],
                self.bring,
                self._go_to_demo if demo else None,
            )
            self.desk.begin(start)
        self.dashboard = Dashboard(self.desk)

    @property
    def desk(self) -> Desk:
        """The desk in front."""
        return self.board.front.desk

    def _cluster(
        self, settings: Settings, keys: Keymap | None = None, first: EngineProcess | None = None
    ) -> Cluster:
        """A desk with the keys and looks of its profile. Raises `UsageError` for keys that cannot be."""
        ui = settings.ui
        desk = Desk(
            self,
            self._spawn,
            settings.profile,
            first=first,
            keys=keys or keymap(ui.keymap),
            signs=ASCII if ui.ascii else UNICODE,
            utc=ui.utc,
            beat=ui.paint,
            history=self.history,
            shelf=settings.shelf,
        )
        return Cluster(desk, self.wardrobe.chosen(ui.theme), ui.ascii)

    def get_default_screen(self) -> Dashboard:
        """The dashboard is the only screen."""
        return self.dashboard

    def on_mount(self) -> None:
        """Follow the engine once the first frame is painted."""
        end_politely(self._end)
        for problem in self.wardrobe.problems:
            self.desk.talk.say(problem, "warn")
        self.set_interval(LOOKED_AT, lambda: self._end(GONE) if terminal_gone() else None)
        self.set_interval(THEMES_LOOKED_AT, lambda: self.desk.errands.run(self._look_at_themes()))
        self.call_after_refresh(self._start)

    async def on_event(self, event: events.Event) -> None:
        """Keys and pasted texts go to the dashboard directly: each of Textual's queues would put them behind
        other work. All of them, or one would overtake another that waits in a queue."""
        ours = isinstance(event, (events.Key, events.Paste)) and self.screen is self.dashboard
        if not ours or event.is_forwarded:
            await super().on_event(event)
        elif isinstance(event, events.Paste):
            self.dashboard.on_paste(event)
        elif isinstance(event, events.Key) and event.key != QUITS:
            self.app_focus = True
            self.dashboard.on_key(event)
        else:
            await super().on_event(event)

    def _start(self) -> None:
        # What the libraries hold stays; collecting it again and again would hold up keys.
        gc.collect()
        gc.freeze()
        gc.enable()
        if self.desk.start is None:
            self.desk.errands.run(self.desk.link.run())
        for name in self._more:
            self.board.begin(name)
        self.desk.errands.run(asyncio.to_thread(self.history.load))
        self.desk.errands.run(self.desk.saved.load())

    # ---- the surface of the desk

    @property
    def asks(self) -> bool:
        """Whether a question waits."""
        return self.desk.talk.asked is not None

    def paint(self) -> None:
        """Show what has changed."""
        self.dashboard.sync()

    def copy(self, text: str) -> None:
        """OSC 52: works over SSH where the terminal permits it."""
        self.copy_to_clipboard(text)

    def next_theme(self) -> str:
        """Turn to the next theme."""
        following = self.wardrobe.following()
        self.use_theme(following)
        return following

    def themes(self) -> Sequence[str]:
        """Names of all themes."""
        return self.wardrobe.names

    def use_theme(self, name: str) -> None:
        """Turn to a theme."""
        self.theme = self.wardrobe.wear(name).name
        self.board.front.theme = self.wardrobe.worn

    async def _look_at_themes(self) -> None:
        """A theme's file may have changed: read beside the screen, and put on what is worn."""
        before = self.wardrobe.all
        changed = await asyncio.to_thread(self.wardrobe.look)
        for problem in self.wardrobe.problems:
            self.desk.talk.say(problem, "warn")
        if changed:
            for theme in self.wardrobe.all:
                self.register_theme(theme)
            self.theme = self.wardrobe.theme(self.wardrobe.worn).name
            for theme in (old for old in before if old not in self.wardrobe.all):
                self.unregister_theme(theme.name)
        if changed or self.wardrobe.problems:
            self.paint()

    async def outside(self, path: Path) -> None:
        """Leave the terminal to the person's pager until it ends."""
        words = [*outside.command(), str(path)]
        await self.hush()
        self._lend(words)

    async def edit(self, path: Path) -> None:
        """Leave the terminal to the person's editor until it ends."""
        words = [*outside.editor(), str(path)]
        await self.hush()
        self._lend(words)

    def _lend(self, words: Sequence[str]) -> None:
        try:
            with self.suspend():
                outside.run(words)
        except SuspendNotSupported:
            raise LazyCeleryError(
                "This terminal cannot be lent to a pager.", "Copy with Y instead."
            ) from None
        except OSError as problem:
            raise LazyCeleryError(
                f"{words[0]} cannot be started: {problem.strerror}.", "Set $PAGER."
            ) from None
        finally:
            self.hushed = False
            self.repaint()

    def clusters(self) -> Sequence[ClusterLine]:
        """What is known of each cluster."""
        return self.board.lines()

    def bring(self, name: str) -> None:
        """Bring a cluster to the front; the others go on."""
        self.board.bring(name)

    def step_cluster(self, by: int) -> None:
        """Bring the next open cluster to the front."""
        self.board.step(by)

    def close_cluster(self, name: str) -> None:
        """End the engine of a cluster."""
        self.board.close(name)

    def _fronted(self, cluster: Cluster) -> None:
        self.dashboard.desk = cluster.desk
        if Painted.ascii_only != cluster.ascii:
            Painted.ascii_only = cluster.ascii
            self.dashboard.forget()
        self.theme = self.wardrobe.wear(cluster.theme).name

    def _go_to_demo(self) -> None:
        self.wants_demo = True
        self.exit(0)

    def quit(self) -> None:
        """End, once the terminal has taken what is on its way."""
        self.desk.errands.run(self._part())

    async def _part(self) -> None:
        await self.hush()
        if self._driver is not None and in_gnu_screen(os.environ):
            self._driver.write(WIPE)
        self.exit(0)

    def _end(self, code: int) -> None:
        self.exit(code, return_code=code)

    async def on_unmount(self) -> None:
        """Let the engines go."""
        await self.board.leave()
