"""Several brokers in one screen, and none yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import staged

Golden = Callable[[str, str], None]


def staging() -> FakeEngine:
    engine = FakeEngine(7)
    engine.seen.profile, engine.seen.broker = "staging", "redis://staging/0"
    engine.fleet = engine.fleet[:1]
    return engine


async def test_switching_opens_another_engine_and_leaves_the_first_running() -> None:
    first, second = FakeEngine(), staging()
    async with staged(first, others={"staging": second}) as stage:
        await stage.press("b")
        assert "shop-prod" in stage.text and "in front  connected" in stage.text
        await stage.press(*"stag", "enter")
        await stage.until("redis://staging/0")
        await stage.until("1/1")
        assert not first.closed
        await stage.press("2", "b", *"shop", "enter")
        await stage.until("redis://db1:6379/0")
        assert stage.desk.lead == "workers"
        first.arrive(5)
        await stage.until("1,005")
    assert first.closed and second.closed


async def test_what_happens_behind_does_not_paint_over_what_is_in_front() -> None:
    first = FakeEngine()
    async with staged(first, others={"staging": staging()}) as stage:
        behind = stage.desk
        await stage.press("b", *"stag", "enter")
        await stage.until("1/1")
        first.lose()
        await stage.until(lambda: not behind.link.truth.connected)
        assert "Not connected" not in stage.text
        await stage.press("b")
        await stage.until("open  not connected")


async def test_an_unknown_profile_is_told() -> None:
    async with staged(others={"staging": staging()}) as stage:
        await stage.press("b", *"zzz", "enter")
        assert "There is no profile 'zzz'." in stage.text


async def test_without_other_profiles_it_says_how_to_have_some() -> None:
    async with staged() as stage:
        await stage.press("b")
        assert "There is no other profile. lazycelery config init" in stage.text


# ---- no broker yet


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 35)])
async def test_the_start_screen_says_what_was_tried_and_what_can_be_done(
    width: int, height: int, golden: Golden
) -> None:
    others = {"staging": staging(), "shop-prod": FakeEngine()}
    async with staged(size=(width, height), others=others, broker="", name="default") as stage:
        golden(f"start-{width}x{height}", stage.text)


async def test_a_profile_is_chosen_on_the_start_screen() -> None:
    others = {"shop-prod": FakeEngine(), "staging": staging()}
    async with staged(others=others, broker="", name="default") as stage:
        await stage.press("j", "enter")
        await stage.until("redis://staging/0")
        await stage.until("1/1")
        await stage.press("b")
        assert "default" not in [name for name, _ in stage.app.brokers()]


async def test_the_demo_is_one_key_away() -> None:
    async with staged(broker="", name="default") as stage:
        assert "no profile: the configuration names none" in stage.text
        await stage.press("d")
        assert stage.app.wants_demo and not stage.app.is_running


async def test_other_keys_do_nothing_before_there_is_a_broker() -> None:
    async with staged(broker="", name="default") as stage:
        for key in ("1", "3", "slash", "escape", "W", "space", "colon", "A", "r"):
            await stage.press(key)
            assert "Looked for a broker here" in stage.text and stage.desk.talk.typing is None
        await stage.press("?")
        assert "Everywhere" in stage.text
        await stage.press("escape")
        assert "Looked for a broker here" in stage.text
        await stage.press("q")
        assert not stage.app.is_running


async def test_a_profile_that_cannot_be_loaded_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from lazycelery.errors import UsageError

    def refuse(name: str) -> object:
        raise UsageError("The password command failed.", "Exit code 1.")

    async with staged(others={"staging": staging()}) as stage:
        monkeypatch.setattr(stage.app, "_load", refuse)
        await stage.press("b", *"stag", "enter")
        await stage.until("The password command failed. Exit code 1.")
        assert stage.desk is stage.app.desks["shop-prod"]
