"""A recording on the screen: where it is, and the keys that move it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from lazycelery.keys import keymap
from lazycelery.model.reel import Reel
from lazycelery.tui.link import Link
from lazycelery.tui.presentation.line import length
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.reel import reel_line
from lazycelery.tui.presentation.signs import ASCII
from tests.support.fake_engine import NOW, FakeEngine
from tests.tui.conftest import staged

Golden = Callable[[str, str], None]


def playing() -> FakeEngine:
    engine = FakeEngine()
    engine.seen.reel = Reel(start=NOW - 600, end=NOW + 600, at=NOW, speed=1.0)
    return engine


async def test_a_recording_has_a_line_that_says_where_it_is(golden: Golden) -> None:
    async with staged(playing(), (80, 24)) as stage:
        async for size in stage.sizes():
            golden(f"replay-{size}", stage.text)


async def test_at_the_recorded_pace_its_time_is_that_of_the_recording() -> None:
    engine = playing()
    engine.seen.now = NOW - 300
    engine.seen.reel = Reel(start=NOW - 600, end=NOW - 100, at=NOW - 300, speed=1.0)
    async with staged(engine) as stage:
        await stage.until("plays")
        assert stage.desk.link.now() == NOW - 300 and "ended" not in stage.text.splitlines()[1]


async def test_what_is_not_seen_yet_in_it_is_not_to_be_started() -> None:
    engine = playing()
    engine.fleet = []
    async with staged(engine) as stage:
        await stage.until("No worker answered up to here.")
        assert "Start one" not in stage.text
        engine.seen.reel = Reel(start=NOW - 600, end=NOW, at=NOW, speed=1.0)
        engine.touch("status")
        await stage.until("No worker answered while")


async def test_keys_hold_it_step_jump_and_change_its_pace() -> None:
    engine = playing()
    async with staged(engine) as stage:
        await stage.press(",")
        await stage.until("held")
        await stage.press(".", ">", ")")
        await stage.press("=")
        await stage.until("2x")
        await stage.press("-")
        await stage.until("1x")
        done = [(do, round(amount)) for do, amount in engine.turned]
        assert done[:3] == [("pause", 0), ("step", 0), ("jump", round(NOW + 10))]
        assert done[3][0] == "jump" and done[3][1] >= NOW + 120
        assert [do for do, _ in done[4:]] == ["speed", "speed"]


def spawned(
    link: Link, monkeypatch: pytest.MonkeyPatch, before: Callable[[str], None] = lambda _: None
) -> list[str]:
    """The addresses with which engines are begun from now on; `before` is called with each."""
    opened: list[str] = []
    spawn = link._spawn

    def again():  # type: ignore[no-untyped-def]
        opened.append(link._profile.broker)
        before(opened[-1])
        return spawn()

    monkeypatch.setattr(link, "_spawn", again)
    return opened


async def test_back_in_time_takes_another_engine_and_nothing_is_said_to_have_died(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = playing()
    async with staged(engine) as stage:
        link = stage.desk.link
        opened = spawned(link, monkeypatch)
        await stage.press("<")
        await stage.until(lambda: bool(opened) and link.api is not None)
        assert opened == ["replay:///a.tape?from=590"]
        await stage.rest()
        assert link.truth.engine_problem is None and link.truth.engine_deaths == 0
        await stage.until("shop.")
        await stage.until(lambda: "Going there" not in stage.text)


async def test_a_second_key_back_goes_on_from_where_the_first_one_led(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until the engine that began anew was asked, the screen knew the moment before the jump alone."""
    engine = playing()
    async with staged(engine) as stage:
        link = stage.desk.link

        def there(url: str) -> None:
            at = NOW - 600 + float(url.rpartition("=")[2])
            reel = msgspec.structs.replace(engine.seen.reel, at=at)
            engine.seen = msgspec.structs.replace(engine.seen, reel=reel, now=at)

        opened = spawned(link, monkeypatch, there)
        engine.seen.reel.paused, engine.seen.speed = True, 0.0
        engine.touch("status")
        await stage.rest()
        engine.delay = 0.4
        await stage.pilot.press("<")
        await stage.until(lambda: bool(opened) and link.api is not None)
        await asyncio.sleep(0.1)
        assert not link.looked
        await stage.pilot.press("<")
        await stage.until(lambda: len(opened) == 2)
        assert opened == ["replay:///a.tape?from=590", "replay:///a.tape?from=580"]
        engine.delay = 0.0


async def test_a_click_on_its_bar_goes_there_and_one_beside_it_nowhere() -> None:
    engine = playing()
    async with staged(engine, (120, 35)) as stage:
        line = stage.text.splitlines()[1]
        left, right = line.index("─"), line.rindex("─")
        await stage.pilot.click("#reel", offset=(right, 0))
        await stage.until(lambda: len(engine.turned) == 1)
        await stage.pilot.click("#reel", offset=(2, 0))
        await stage.pilot.click("#reel", offset=((left + right) // 2, 0))
        await stage.until(lambda: len(engine.turned) == 2)
        assert [do for do, _ in engine.turned] == ["jump", "jump"]
        ahead, middle = (amount for _, amount in engine.turned)
        assert ahead == NOW + 600 and abs(middle - NOW) < 60


async def test_of_a_cluster_that_lives_there_is_no_such_line_and_no_such_key() -> None:
    engine = FakeEngine()
    async with staged(engine) as stage:
        await stage.press(",", "<", "=")
        assert engine.turned == [] and "plays" not in stage.text
        await stage.press(":", *"replay.pause", "enter")
        await stage.until("works in a replay")


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("place", [0.0, 0.3, 1.0, 1.5])
def test_the_line_fits_and_the_knob_moves(width: int, place: float) -> None:
    reel = Reel(start=NOW, end=NOW + 100, at=NOW)
    look = Look(now=NOW + 100 * place, signs=ASCII, keys=keymap({}))
    line = reel_line(reel, look, width)
    assert length(line) <= width
    text = "".join(part for part, _ in line)
    assert ("ended" in text) == (place >= 1.0)
    bar = text[text.index(":") + 7 :].lstrip().split(" ")[0]
    assert bar.index("*") == min(len(bar) - 1, round(place * (len(bar) - 1)))


def test_on_its_way_the_knob_is_where_it_goes_and_the_line_tells_how_far_it_has_come() -> None:
    reel = Reel(start=NOW, end=NOW + 100, at=NOW + 80, played=NOW + 30, paused=True)
    line = reel_line(reel, Look(now=NOW + 30, signs=ASCII, keys=keymap({})), 80)
    bar = [(part, style) for part, style in line if part and not part.strip(ASCII.across)]
    assert "seeks" in line[0][0]
    (done, done_style), (ahead, ahead_style), (after, _) = bar
    assert (done_style, ahead_style) == ("accent", "dim")
    assert len(done) < len(ahead) and len(after) < len(done)


@pytest.mark.parametrize("played", [None, NOW + 30])
def test_at_its_end_and_on_its_way_it_tells_that_it_is_held(played: float | None) -> None:
    """There nothing else shows what the key did, and it decides what comes after the next jump."""
    for paused in (False, True):
        reel = Reel(start=NOW, end=NOW + 100, at=NOW + 100, played=played, paused=paused, speed=8)
        look = Look(now=NOW + 100 if played is None else played, signs=ASCII, keys=keymap({}))
        line = reel_line(reel, look, 80)
        told = "".join(part for part, _ in line)
        assert ("held" in told.split()) == paused and ("8x" in told.split()) != paused
        assert length(line) <= 80


async def test_keys_that_come_fast_add_up_and_only_the_last_moment_is_gone_to() -> None:
    engine = playing()
    async with staged(engine) as stage:
        engine.delay = 0.3
        await stage.press(">", ">", ">", ">")
        await stage.until(lambda: bool(engine.turned) and engine.turned[-1][1] > NOW + 39)
        await stage.rest()
        assert len(engine.turned) <= 2 and engine.turned[-1][1] < NOW + 60
