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

from lazycelery.errors import LazyCeleryError
from lazycelery.keys import Keymap
from lazycelery.tui import outside, themes
from lazycelery.tui.desk import Desk
from lazycelery.tui.hangup import end_politely
from lazycelery.tui.history import History, state_directory
from lazycelery.tui.link import EngineProcess, Spawn
from lazycelery.tui.presentation.signs import ASCII, UNICODE
from lazycelery.tui.screens.dashboard import Dashboard
from lazycelery.tui.settings import Settings
from lazycelery.tui.widgets.painted import Painted
from lazycelery.tui.wire import LeanApp


class ControlRoom(LeanApp[int]):
    """LazyCelery's screen."""

    CSS_PATH = "dashboard.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self, settings: Settings, spawn: Spawn, keys: Keymap, first: EngineProcess | None = None
    ) -> None:
        chosen = themes.THEMES[themes.chosen(settings.ui.theme)]
        super().__init__(chosen.ansi)
        for theme in themes.THEMES.values():
            self.register_theme(theme)
        self.theme = chosen.name
        Painted.ascii_only = settings.ui.ascii
        self.history = History(state_directory)
        self.desk = Desk(
            self,
            spawn,
            settings.profile,
            first=first,
            keys=keys,
            signs=ASCII if settings.ui.ascii else UNICODE,
            utc=settings.ui.utc,
            beat=settings.ui.paint,
            history=self.history,
        )
        self.dashboard = Dashboard(self.desk)

    def get_default_screen(self) -> Dashboard:
        """The dashboard is the only screen."""
        return self.dashboard

    def on_mount(self) -> None:
        """Follow the engine once the first frame is painted."""
        end_politely(self._end)
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        # What the libraries hold stays; collecting it again and again would hold up keys.
        gc.collect()
        gc.freeze()
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
        names = list(themes.THEMES)
        present = next(name for name, theme in themes.THEMES.items() if theme.name == self.theme)
        following = names[(names.index(present) + 1) % len(names)]
        self.theme = themes.THEMES[following].name
        return following

    def themes(self) -> Sequence[str]:
        """Names of all themes."""
        return list(themes.THEMES)

    def use_theme(self, name: str) -> None:
        """Turn to a theme."""
        self.theme = themes.THEMES[name].name

    def outside(self, path: Path) -> None:
        """Leave the terminal to the person's pager until it ends."""
        words = [*outside.command(), str(path)]
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
            self.repaint()

    def quit(self) -> None:
        """End."""
        self.exit(0)

    def _end(self, code: int) -> None:
        self.exit(code, return_code=code)

    async def on_unmount(self) -> None:
        """Let the engine go."""
        self.desk.inquiry.stop()
        self.desk.detail.stop()
        self.desk.tasks.window.stop()
        self.desk.errands.stop()
        await self.desk.link.close()
