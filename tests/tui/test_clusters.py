"""Several brokers in one screen, and none yet."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from lazycelery.model.cluster import Notice
from lazycelery.tui.presentation.clusters import ClusterLine, tab_at, tab_line, tabs
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.settings import Settings
from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import Stage, staged

Golden = Callable[[str, str], None]


def staging() -> FakeEngine:
    engine = FakeEngine(7)
    engine.seen.profile, engine.seen.broker = "staging", "redis://staging/0"
    engine.fleet = engine.fleet[:1]
    return engine


async def test_opening_another_cluster_leaves_the_first_running() -> None:
    first, second = FakeEngine(), staging()
    async with staged(first, others={"staging": second}) as stage:
        await stage.press("b")
        assert "shop-prod" in stage.text and "not open; ⏎ opens it" in stage.text
        await stage.press("j", "enter")
        await stage.until("redis://staging/0")
        await stage.until("1/1")
        assert not first.closed
        await stage.press("2", "b", "k", "space", "enter")
        await stage.until("redis://db1:6379/0")
        assert stage.desk.lead == "workers"
        first.arrive(5)
        await stage.until("1,005")
    assert first.closed and second.closed


def slowly(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let profiles load only once the returned event is set."""
    fast, let_go = stage.app.board._load, threading.Event()
    assert fast is not None

    def slow(name: str) -> Settings:
        let_go.wait(30)
        return fast(name)

    monkeypatch.setattr(stage.app.board, "_load", slow)
    return let_go


@pytest.fixture
async def two() -> AsyncIterator[tuple[Stage, FakeEngine, FakeEngine]]:
    """shop-prod in front, staging open behind it."""
    first, second = FakeEngine(), staging()
    async with staged(first, others={"staging": second}, more=["staging"]) as stage:
        await stage.until(lambda: "2 staging" in stage.text)
        yield stage, first, second


Two = tuple[Stage, FakeEngine, FakeEngine]


async def test_profiles_named_at_the_start_are_open_behind_the_first(two: Two) -> None:
    stage, first, second = two
    assert stage.desk is stage.app.board.desk("shop-prod")
    tabs = stage.text.splitlines()[1]
    assert tabs.startswith(" ● 1 shop-prod  ● 2 staging ") and tabs.endswith("} next  b all")
    await stage.press("}")
    await stage.until("redis://staging/0")
    await stage.press("{")
    await stage.until("redis://db1:6379/0")
    assert not (first.closed or second.closed)


async def test_each_keeps_its_pane_cursor_filter_tab_and_marks(two: Two) -> None:
    stage, _, _ = two
    await stage.press("2", "j", "m", "slash", *"def", "enter", "]")
    before = stage.text
    assert "defualt" in before
    await stage.press("}")
    assert stage.desk.lead == "workers" and not stage.desk.marks.of("queues")
    await stage.press("3", "j", "}")
    assert stage.text == before
    assert list(stage.desk.marks.of("queues")) == ["defualt"]
    await stage.press("}")
    assert stage.desk.lead == "tasks" and stage.desk.tasks.listing.cursor == 1


async def test_each_has_the_keys_theme_and_signs_of_its_own_profile() -> None:
    each = {"staging": {"keymap": {"help": "f1"}, "theme": "light", "ascii": True}}
    async with staged(others={"staging": staging()}, each=each, more=["staging"]) as stage:
        await stage.until("2 staging")
        assert stage.app.theme == "lazy-dark"
        await stage.press("}")
        assert stage.app.theme == "lazy-light" and "●" not in stage.text
        await stage.press("?")
        assert "Move down" not in stage.text
        await stage.press("f1")
        assert "Move down" in stage.text
        await stage.press("T", "}")
        assert stage.app.theme == "lazy-dark" and "●" in stage.text
        await stage.press("f1")
        assert "Move down" not in stage.text
        await stage.press("}")
        assert stage.app.theme == "lazy-contrast"


async def test_what_both_clusters_show_is_written_in_the_signs_of_each() -> None:
    async with staged(
        others={"staging": staging()}, each={"staging": {"ascii": True}}, more=["staging"]
    ) as stage:
        await stage.until("2 staging")
        assert "⏎ open" in stage.text
        await stage.press("}")
        assert stage.text.isascii() and "open" in stage.text
        await stage.press("{")
        assert "⏎ open" in stage.text


async def test_a_keymap_that_cannot_be_leaves_that_cluster_closed_and_says_why() -> None:
    each = {"staging": {"keymap": {"help": "q"}}}
    async with staged(others={"staging": staging()}, each=each) as stage:
        await stage.press("b", "j", "enter")
        await stage.until("already the key of quit")
        await stage.press("escape", "b")
        assert "2 staging" in stage.text and stage.app.board.open == ["shop-prod"]


async def test_unlocking_one_leaves_the_other_read_only(two: Two) -> None:
    stage, first, second = two
    await stage.press("W", "y")
    await stage.until("UNLOCKED")
    await stage.press("}")
    assert "READ-ONLY" in stage.text and second.seen.read_only and not first.seen.read_only
    await stage.press("3", "r")
    assert "Read-only. W unlocks" in stage.text


async def test_a_question_is_dropped_when_another_cluster_comes_to_the_front() -> None:
    first, second = FakeEngine(read_only=False), staging()
    second.seen.read_only, second.seen.allowed = False, list(first.seen.allowed)
    async with staged(first, others={"staging": second}, more=["staging"]) as stage:
        await stage.until("2 staging")
        await stage.press("2", "P")
        await stage.until("Type default")
        await stage.press("}")  # A key belongs to the question.
        assert stage.desk is stage.app.board.desk("shop-prod")
        await stage.pilot.click("#tabs", offset=(18, 0))
        await stage.rest()
        assert stage.desk is stage.app.board.desk("staging") and "Type default" not in stage.text
        await stage.press(*"default", "enter")
        await stage.press("2", "}")
        assert "The question was dropped" in stage.text and "Type default" not in stage.text
        assert not first.acted and not second.acted


async def test_a_plan_on_its_way_asks_nothing_on_the_cluster_that_came_meanwhile() -> None:
    first, second = FakeEngine(read_only=False), staging()
    async with staged(first, others={"staging": second}, more=["staging"]) as stage:
        await stage.until("2 staging")
        await stage.press("2")
        first.delay = 0.3
        for key in ("P", "}"):
            await stage.pilot.press(key)
        await asyncio.sleep(0.5)
        await stage.rest()
        assert "Type default" not in stage.text
        first.delay = 0.0
        await stage.press("}")
        assert "Type default" not in stage.text and not first.acted


async def test_a_cluster_that_opens_slowly_never_takes_a_key_that_was_meant_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with staged(FakeEngine(read_only=False), others={"staging": staging()}) as stage:
        let_go = slowly(stage, monkeypatch)
        await stage.press("b", "j", "enter", "escape", "2")
        assert "staging is open" not in stage.text
        let_go.set()
        await stage.until("staging is open. } goes to it.")
        assert stage.desk is stage.app.board.desk("shop-prod") and stage.desk.lead == "queues"


async def test_what_happens_behind_is_told_by_its_tab_and_its_line_alone(two: Two) -> None:
    stage, first, _ = two
    await stage.press("}")
    await stage.until("1/1")
    behind = stage.app.board.desk("shop-prod")
    first.lose()
    first.seen.notices = [Notice(code="broker-unreachable", severity="critical", title="db1 refused")]
    await stage.until(lambda: not behind.link.truth.connected)
    await stage.until("✗ 1 shop-prod ▲")
    assert "Not connected" not in stage.text
    await stage.press("b")
    await stage.until("db1 refused")


async def test_a_cluster_whose_engine_hangs_or_dies_holds_up_no_key_of_another(two: Two) -> None:
    stage, first, _ = two
    await stage.press("}")
    await stage.until("1/1")
    first.delay = 30.0
    began = time.monotonic()
    await stage.press("2", "3", "j", "k")
    assert time.monotonic() - began < 2
    first.delay = 0.0
    first.die()
    await stage.until("✗ 1 shop-prod ▲")
    await stage.press("b")
    assert "The engine process has ended." in stage.text


async def test_what_is_behind_is_asked_for_its_overview_alone(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, first, second = two
    assert set(second.calls) == {"tick", "overview"}
    await stage.press("}")
    await stage.until("1/1")
    monkeypatch.setattr("lazycelery.tui.link.BEHIND", 0.2)
    await asyncio.sleep(0.3)
    first.calls.clear()
    began = time.monotonic()
    while time.monotonic() - began < 1.0:
        first.arrive()
        first.touch("workers", "queues", "status")
        await asyncio.sleep(0.02)
    assert set(first.calls) == {"tick", "overview"}
    assert first.calls.count("overview") <= 7
    await stage.press("}")
    await stage.until(f"{first.total:,}")


async def test_closing_one_ends_its_engine_and_no_other(two: Two) -> None:
    stage, first, second = two
    await stage.press("b", "j", "x")
    await stage.until("staging is closed.")
    await stage.until(lambda: second.closed)
    assert not first.closed and "2 staging" not in stage.text.splitlines()[1]
    await stage.press("k", "x")
    assert "shop-prod is the only one. q quits." in stage.text and not first.closed
    second.closed = False
    await stage.press("j", "enter")
    await stage.until("redis://staging/0")


async def test_closing_the_one_in_front_brings_another(two: Two) -> None:
    stage, first, second = two
    await stage.press("b", "x")
    await stage.until(lambda: first.closed)
    assert stage.desk is stage.app.board.desk("staging") and not second.closed
    assert "not open; ⏎ opens it" in stage.text
    await stage.press("escape")
    assert "redis://staging/0" in stage.text


async def test_production_is_marked_in_its_tab_and_its_line() -> None:
    second = staging()
    second.seen.production = True
    async with staged(others={"staging": second}, more=["staging"]) as stage:
        await stage.until("2 staging")
        await stage.press("b")
        await stage.until(
            lambda: any("staging" in line and "PROD " in line for line in stage.text.splitlines())
        )


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 35), (200, 60), (60, 20)])
async def test_the_list_of_clusters(width: int, height: int, golden: Golden) -> None:
    first, second, third = FakeEngine(), staging(), staging()
    first.seen.workers_online, first.seen.workers_total = 4, 5
    first.seen.backlog, first.seen.failures = 1223, 17
    second.seen.workers_online = second.seen.workers_total = 1
    second.seen.backlog, second.seen.failures = 0, None
    third.seen.production = True
    third.lose()
    third.seen.notices = [
        Notice(code="broker-unreachable", severity="critical", title="db9:6379 refused (port closed).")
    ]
    others = {"staging": second, "shop-eu": third, "nightly": FakeEngine()}
    async with staged(first, (width, height), others, more=["staging", "shop-eu"]) as stage:
        await stage.until(lambda: len(stage.app.board.open) == 3)
        await stage.until(lambda: all(line.overview for line in stage.app.clusters() if line.open))
        await stage.press("b")
        golden(f"clusters-{width}x{height}", stage.text)
        await stage.press("escape", "1")
        golden(f"tabs-{width}x{height}", stage.text)


async def test_tabs_that_do_not_fit_are_numbers_then_those_around_the_one_in_front() -> None:
    lines = [ClusterLine(f"a-rather-long-name-{at}", at, open=True, front=at == 9) for at in range(1, 13)]
    look = Look(0.0)
    assert [name for _, name in tabs(lines, look, 300)] == [line.name for line in lines]
    narrow = "".join(text for text, _ in tab_line(lines, look, 120))
    assert "9 a-rather-long-name-9" in narrow and "8 a-rather" not in narrow
    assert "9" in "".join(text for text, _ in tab_line(lines, look, 20))
    assert tab_at(lines, look, 300, 1) == lines[0].name and tab_at(lines, look, 20, 400) is None


async def test_an_unknown_profile_is_told_and_a_part_of_a_name_is_enough() -> None:
    async with staged(others={"staging": staging()}) as stage:
        await stage.press(":", *"cluster zzz", "enter")
        assert "There is no cluster 'zzz'." in stage.text
        await stage.press(":", *"cluster stag", "enter")
        await stage.until("redis://staging/0")


async def test_without_other_profiles_it_says_how_to_have_some() -> None:
    async with staged() as stage:
        await stage.press("b")
        assert "There is no other profile. lazycelery config init" in stage.text
        await stage.press("}")
        assert "No other cluster is open." in stage.text


# ---- no broker yet


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 35), (200, 60)])
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
        assert [line.name for line in stage.app.clusters()] == ["staging", "shop-prod"]


async def test_a_profile_that_opens_slowly_is_chosen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged(others={"staging": staging()}, broker="", name="default") as stage:
        let_go = slowly(stage, monkeypatch)
        for key in ("enter", "k"):
            await stage.pilot.press(key)
        let_go.set()
        await stage.until("staging is open. Choose it again to go there.")
        await stage.pilot.press("enter")
        await stage.until("redis://staging/0")


async def test_the_demo_is_one_key_away() -> None:
    async with staged(broker="", name="default") as stage:
        assert "no profile: the configuration names none" in stage.text
        await stage.press("d")
        assert stage.app.wants_demo and not stage.app.is_running


async def test_other_keys_do_nothing_before_there_is_a_broker() -> None:
    async with staged(broker="", name="default") as stage:
        for key in ("1", "3", "slash", "escape", "W", "space", "colon", "A", "r", "b", "}"):
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
        monkeypatch.setattr(stage.app.board, "_load", refuse)
        await stage.press("b", "j", "enter")
        await stage.until("The password command failed. Exit code 1.")
        assert stage.desk is stage.app.board.desk("shop-prod")
