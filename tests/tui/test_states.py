"""The dashboard and the views in every state: empty, loading, broken, locked, open, production.

Goldens as in `test_screens`; one running screen gives all three sizes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from textual import events

from lazycelery.errors import ConnectionProblem
from lazycelery.model.cluster import Load, Notice, SourceHealth
from lazycelery.model.metrics import Metrics, Series
from lazycelery.model.relief import Relief
from lazycelery.model.task import Task, TaskPage, TaskQuery
from lazycelery.model.worker import Worker
from lazycelery.tui import link
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.sayings import trouble
from tests.support.fake_engine import NOW, FakeEngine
from tests.tui.conftest import staged

Golden = Callable[[str, str], None]


class Silent(FakeEngine):
    """Tells that it is there, and nothing else yet."""

    async def workers(self) -> list[Worker]:
        return await asyncio.sleep(60, [])

    async def tasks(self, query: TaskQuery) -> TaskPage:
        return await asyncio.sleep(60, TaskPage())


class Slow(FakeEngine):
    """Knows the tasks, but takes its time with all about one."""

    async def task(self, id: str, fetch: bool = True) -> Task:
        return await asyncio.sleep(60, Task(id=id))


class Blank(FakeEngine):
    """A cluster in which nothing is, and nothing was done."""

    def __init__(self) -> None:
        super().__init__(0)
        self.fleet, self.lines, self.audited = [], [], []

    async def metrics(self) -> Metrics:
        nothing = Series(step=1.0, end=NOW, values={})
        return Metrics(fine=nothing, coarse=nothing)


def refused() -> FakeEngine:
    engine = Blank()
    engine.seen.connected = engine.seen.ever_connected = False
    hint = "Give another one in the URL."
    engine.seen.sources = [SourceHealth(name="broker", state="refused", reason="wrong password", hint=hint)]
    return engine


def production() -> FakeEngine:
    engine = FakeEngine(read_only=False)
    engine.seen.production = True
    return engine


def overloaded() -> FakeEngine:
    engine = FakeEngine()
    engine.seen.relief = Relief(stage=2, texts_let_go=True, one_in=10, texts=1204, successes=48_000)
    engine.seen.events_per_second, engine.seen.lag = 64_000.0, 1.2
    engine.seen.load = Load(commands_per_second=6.0, cpu=0.94, rss=412 << 20)
    return engine


def found() -> FakeEngine:
    engine = FakeEngine()
    engine.seen.notices = [
        Notice(
            code="queue-without-consumer",
            severity="critical",
            title="7 messages wait in defualt and nobody consumes it",
            subject="defualt",
            hint="Did you mean default?",
            since=NOW - 300,
        ),
        Notice(
            code="worker-lost",
            severity="warning",
            title="celery@old-7 is gone without goodbye",
            subject="celery@old-7",
            since=NOW - 130,
        ),
    ]
    return engine


STATES: dict[str, tuple[Callable[[], FakeEngine], str]] = {
    "empty": (Blank, "No worker answers."),
    "loading": (Silent, "Asking the workers"),
    "refused": (refused, "wrong password"),
    "unlocked": (lambda: FakeEngine(read_only=False), "UNLOCKED"),
    "production": (production, "PRODUCTION"),
    "found": (found, "defualt"),
    "overloaded": (overloaded, "keeps 1/10"),
}


@pytest.mark.parametrize("state", STATES)
async def test_the_dashboard_in_a_state(state: str, golden: Golden) -> None:
    make, said = STATES[state]
    async with staged(make(), (80, 24), waits=state != "loading") as stage:
        await stage.until(said, timeout=20)
        async for size in stage.sizes():
            golden(f"state-{state}-{size}", stage.text)


async def test_a_task_whose_details_are_awaited(golden: Golden) -> None:
    async with staged(Slow(), (80, 24)) as stage:
        for key in ("3", "enter"):
            await stage.pilot.press(key)
        await stage.until("Asking for the details")
        async for size in stage.sizes():
            golden(f"state-task-loading-{size}", stage.text)


async def test_the_footer_names_only_keys_that_do_something_here(golden: Golden) -> None:
    async with staged(FakeEngine(read_only=False), (80, 24)) as stage:
        await stage.press("3")
        lines = [stage.text.splitlines()[-1]]
        await stage.press("enter")
        lines.append(stage.text.splitlines()[-1])
        await stage.press("?")
        lines.append(stage.text.splitlines()[-1])
        await stage.press("?", "escape", "1", "tab", "tab", "tab", "tab")
        lines.append(stage.text.splitlines()[-1])
        golden("footers-80", "\n".join(lines))


async def test_the_dashboard_when_the_connection_is_lost(golden: Golden) -> None:
    async with staged(size=(80, 24)) as stage:
        stage.engine.lose()
        await stage.until("Not connected;")  # The verdict has followed.
        async for size in stage.sizes():
            golden(f"state-lost-{size}", stage.text)


async def test_the_dashboard_when_the_engine_cannot_start(
    golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PATIENCE", (8.0,))
    engine = FakeEngine()
    engine.fails = ConnectionProblem("The engine cannot be started.", "Is the disk full?")
    async with staged(engine, (80, 24)) as stage:
        await stage.until("The engine cannot be started.")
        async for size in stage.sizes():
            golden(f"state-engine-gone-{size}", stage.text)


@pytest.mark.parametrize(
    ("key", "view", "said"),
    [
        ("L", "live", "No event yet."),
        ("A", "audit", "Nobody has changed anything"),
        ("i", "metrics", "No numbers yet."),
    ],
)
async def test_a_view_of_an_empty_cluster(key: str, view: str, said: str, golden: Golden) -> None:
    async with staged(Blank(), (80, 24)) as stage:
        await stage.press(key)
        await stage.until(said)
        async for size in stage.sizes():
            golden(f"{view}-empty-{size}", stage.text)


async def test_a_menu_a_question_and_a_wrong_filter(golden: Golden) -> None:
    async with staged(FakeEngine(read_only=False), (80, 24)) as stage:
        await stage.press("3", "space")
        async for size in stage.sizes():
            golden(f"state-menu-{size}", stage.text)
        await stage.press("escape", "2", "P")
        await stage.until("Type default")
        async for size in stage.sizes():
            golden(f"state-question-{size}", stage.text)
        await stage.press("escape", "3", "slash")
        stage.app.dashboard.on_paste(events.Paste("stat:x"))
        await stage.until("there is no field")
        async for size in stage.sizes():
            golden(f"state-filter-wrong-{size}", stage.text)


async def test_faults_only_in_another_order(golden: Golden) -> None:
    async with staged(size=(80, 24)) as stage:
        await stage.press("3", "f", "S")
        await stage.until(lambda: stage.desk.tasks.window.total == 250)
        async for size in stage.sizes():
            golden(f"state-faults-{size}", stage.text)


@pytest.mark.parametrize(("title", "said"), [("It is gone", "It is gone. Start"), ("Is it?", "Is it? Start")])
def test_a_notice_and_what_helps_are_two_sentences(title: str, said: str) -> None:
    engine = FakeEngine()
    engine.seen.notices = [Notice(code="x", severity="warning", title=title, hint="Start it.")]
    line = trouble(engine.seen, None, None, Look(NOW))
    assert said in "".join(text for text, _ in line)
