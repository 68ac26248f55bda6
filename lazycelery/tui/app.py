"""The Textual app: themes, terminal, and one screen."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import SuspendNotSupported
from textual.binding import BindingType

from lazycelery.config.places import themes_directory
from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.keys import Keymap
from lazycelery.model.profile import Profile
from lazycelery.tui import outside
from lazycelery.tui.brokers import Broker
from lazycelery.tui.desk import Desk
from lazycelery.tui.hangup import end_politely
from lazycelery.tui.history import History, state_directory
from lazycelery.tui.link import EngineProcess, Spawn
from lazycelery.tui.presentation.signs import ASCII, UNICODE
from lazycelery.tui.screens.dashboard import Dashboard
from lazycelery.tui.settings import Load, Settings
from lazycelery.tui.user_themes import UserThemes
from lazycelery.tui.views.start import StartView
from lazycelery.tui.wardrobe import Wardrobe
from lazycelery.tui.widgets.painted import Painted
from lazycelery.tui.wire import LeanApp

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
        demo: bool = False,
    ) -> None:
        self.wardrobe = Wardrobe(UserThemes(themes_directory(os.environ)), settings.ui.theme)
        chosen = self.wardrobe.theme(self.wardrobe.worn)
        super().__init__(chosen.ansi)
        for theme in self.wardrobe.all:
            self.register_theme(theme)
        self.theme = chosen.name
        Painted.ascii_only = settings.ui.ascii
        self.history = History(state_directory)
        self._settings = settings
        self._spawn = spawn
        self._keys = keys
        self._load = load
        self.wants_demo = False
        """Whether the person asked for the demo instead."""
        self.desk = self._desk_of(settings.profile, first)
        self.desks = {settings.profile.name: self.desk}
        """By profile. All but the one in front go on behind it."""
        if not settings.profile.broker:
            self.desks.clear()
            start = StartView(
                settings.tried,
                settings.profiles if load else [],
                self.switch,
                self._go_to_demo if demo else None,
            )
            self.desk.begin(start)
        self.dashboard = Dashboard(self.desk)

    def _desk_of(self, profile: Profile, first: EngineProcess | None = None) -> Desk:
        ui = self._settings.ui
        return Desk(
            self,
            self._spawn,
            profile,
            first=first,
            keys=self._keys,
            signs=ASCII if ui.ascii else UNICODE,
            utc=ui.utc,
            beat=ui.paint,
            history=self.history,
        )

    def get_default_screen(self) -> Dashboard:
        """The dashboard is the only screen."""
        return self.dashboard

    def on_mount(self) -> None:
        """Follow the engine once the first frame is painted."""
        end_politely(self._end)
        for problem in self.wardrobe.problems:
            self.desk.talk.say(problem, "warn")
        self.set_interval(THEMES_LOOKED_AT, lambda: self.desk.errands.run(self._look_at_themes()))
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        # What the libraries hold stays; collecting it again and again would hold up keys.
        gc.collect()
        gc.freeze()
        if self.desk.start is None:
            self.desk.errands.run(self.desk.link.run())
        self.desk.errands.run(asyncio.to_thread(self.history.load))

    # ---- the surface of the desk

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

    def _lend(self, words: Sequence[str]) -> None:
        try:
            with self.suspend():
                # LESSSECURE: what is shown came from others, so less runs no commands for it.
                subprocess.run(words, env={**os.environ, "LESSSECURE": "1"}, check=False)
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

    def brokers(self) -> Sequence[Broker]:
        """Profiles that can be opened, those that are open first."""
        others = self._settings.profiles if self._load else ()
        return [(name, self._told(name)) for name in dict.fromkeys([*self.desks, *others])]

    def _told(self, name: str) -> str:
        desk = self.desks.get(name)
        if desk is None:
            return ""
        overview = desk.link.truth.overview
        state = "" if overview is None else "  connected" if desk.link.truth.connected else "  not connected"
        return f"{'in front' if desk is self.desk else 'open'}{state}"

    def switch(self, name: str) -> None:
        """Bring the desk of a profile to the front; the others go on."""
        if name in self.desks:
            self._bring(self.desks[name])
        elif self._load is None or name not in self._settings.profiles:
            self.desk.talk.say(f"There is no profile {name!r}.", "warn")
        else:
            self.desk.talk.say(f"Opening {name} …", "dim")
            self.desk.errands.run(self._open(name, self._load))

    async def _open(self, name: str, load: Load) -> None:
        settings = await asyncio.to_thread(load, name)
        if not settings.profile.broker:
            raise UsageError(f"The profile {name!r} names no broker.", "lazycelery config check tells more.")
        if name not in self.desks:
            self.desks[name] = self._desk_of(settings.profile)
            self.desks[name].link.clock = self.desk.link.clock
            self.desks[name].errands.run(self.desks[name].link.run())
        self._bring(self.desks[name])

    def _bring(self, desk: Desk) -> None:
        self.desk.talk.message = None
        self.desk.front = False
        self.desk = self.dashboard.desk = desk
        desk.front = True
        self.paint()

    def _go_to_demo(self) -> None:
        self.wants_demo = True
        self.exit(0)

    def quit(self) -> None:
        """End, once the terminal has taken what is on its way."""
        self.desk.errands.run(self._part())

    async def _part(self) -> None:
        await self.hush()
        self.exit(0)

    def _end(self, code: int) -> None:
        self.exit(code, return_code=code)

    async def on_unmount(self) -> None:
        """Let the engine go."""
        await asyncio.gather(*(self._leave(desk) for desk in {self.desk, *self.desks.values()}))

    @staticmethod
    async def _leave(desk: Desk) -> None:
        desk.inquiry.stop()
        desk.detail.stop()
        desk.tasks.window.stop()
        desk.errands.stop()
        await desk.link.close()
