"""The screen without a terminal: an app on a fake engine, and goldens of its text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from lazycelery.keys import keymap
from lazycelery.model.profile import Profile
from lazycelery.tui.app import ControlRoom
from lazycelery.tui.desk import Desk
from tests.support.fake_engine import NOW, FakeEngine, FakeProcess, FakeSettings

SIZES = [(80, 24), (120, 35), (200, 60)]
SCREENS = Path(__file__).parent / "screens"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-screens", action="store_true", help="write the text goldens anew")


class Stage:
    """A running screen and the engine behind it."""

    def __init__(self, app: ControlRoom, engine: FakeEngine, pilot: Pilot[int]) -> None:
        self.app = app
        self.engine = engine
        self.pilot = pilot

    @property
    def desk(self) -> Desk:
        """The desk in front."""
        return self.app.desk

    @property
    def text(self) -> str:
        """The screen as a person reads it."""
        return "\n".join(strip.text.rstrip() for strip in self.app.screen._compositor.render_strips())

    async def press(self, *keys: str) -> None:
        """Keys, and what they cause."""
        for key in keys:
            await self.pilot.press(key)
        await self.rest()

    async def rest(self) -> None:
        """Wait until no question to the engine is under way and all is painted."""
        for _ in range(200):
            await self.pilot.pause()
            if not self._busy:
                break
            await asyncio.sleep(0.01)
        await self.pilot.pause()

    @property
    def _busy(self) -> bool:
        window, inquiry, detail = self.desk.tasks.window, self.desk.inquiry, self.desk.detail
        asking = window.pending and not window.growing
        return (
            asking
            or inquiry._again
            or inquiry.pending
            or detail._again
            or detail.pending
            or (self.desk.start is None and self.desk.link.truth.overview is None)
            or (self.desk.start is None and not (window.loaded or window.growing or window.problem))
        )

    async def sizes(self) -> AsyncIterator[str]:
        """The same screen at each of the three sizes, by its name."""
        for width, height in SIZES:
            if (width, height) != self.app.size:
                await self.pilot.resize_terminal(width, height)
            for _ in range(3):
                await self.pilot.pause()
            yield f"{width}x{height}"

    async def until(self, seen: str | Callable[[], bool], timeout: float = 5.0) -> None:
        """Wait until a text is on the screen, or a condition holds."""
        end = asyncio.get_running_loop().time() + timeout
        while asyncio.get_running_loop().time() < end:
            if seen() if callable(seen) else seen in self.text:
                return
            await asyncio.sleep(0.01)
            await self.pilot.pause()
        raise AssertionError(f"{seen!r} did not appear:\n{self.text}")


class ManyProcesses(FakeProcess):
    """An engine for each profile."""

    def __init__(self, first: FakeEngine, others: Mapping[str, FakeEngine]) -> None:
        super().__init__(first)
        self.others = others

    async def connect(self, profile: Profile) -> FakeEngine:
        if profile.name in self.others:
            return await FakeProcess(self.others[profile.name]).connect(profile)
        return await super().connect(profile)


@asynccontextmanager
async def staged(
    engine: FakeEngine | None = None,
    size: tuple[int, int] = (120, 35),
    others: Mapping[str, FakeEngine] | None = None,
    each: Mapping[str, dict[str, Any]] | None = None,
    more: Sequence[str] = (),
    waits: bool = True,
    **ui: Any,
) -> AsyncIterator[Stage]:
    """The screen on an engine, its clock held still.

    `others` are the engines of other profiles, `each` their own settings; those of `more` are opened behind.
    """
    engine = engine or FakeEngine()
    behind = ManyProcesses(engine, others or {})
    settings = FakeSettings(profiles=list(others or {}), **ui)

    def load(name: str) -> FakeSettings:
        own = (each or {}).get(name, {})
        return FakeSettings(
            **ui | {"name": name, "profiles": settings.profiles, "broker": f"redis://{name}/0"} | own
        )

    app = ControlRoom(settings, lambda: behind, keymap({}), load=load, more=more, demo=True)
    app.desk.link.clock = lambda: NOW
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, engine, pilot)
        if waits and engine.fails is None and app.desk.start is None:
            await stage.until(lambda: app.desk.tasks.window.loaded)
        if waits:
            await stage.rest()
        yield stage


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a screen with `screens/NAME.txt`; `--update-screens` writes it."""

    def compare(name: str, text: str) -> None:
        path = SCREENS / f"{name}.txt"
        if request.config.getoption("--update-screens", False):
            path.write_text(text + "\n")
        assert path.exists(), f"{path.name} is missing: run pytest --update-screens and read it"
        assert text + "\n" == path.read_text(), f"{path.name} differs:\n{text}"

    return compare
