"""A window on tasks that live elsewhere."""

from __future__ import annotations

import asyncio

from lazycelery.model.task import TaskPage, TaskQuery
from lazycelery.tui.listing import Listing
from lazycelery.tui.task_window import TaskWindow
from tests.support.fake_engine import FakeEngine


class Setup:
    def __init__(self, tasks: int = 100_000, page: int = 20) -> None:
        self.engine = FakeEngine(tasks)
        self.queries: list[TaskQuery] = []
        self.window = TaskWindow(self._ask, lambda: self.listing.settle())
        self.listing = Listing(self.window, follows=True)
        self.listing.resize(page)

    async def _ask(self, query: TaskQuery) -> TaskPage:
        self.queries.append(query)
        return await self.engine.tasks(query)

    async def settle(self) -> None:
        while self.window._asking is not None and not self.window._asking.done():
            await asyncio.sleep(0)


async def started(tasks: int = 100_000) -> Setup:
    setup = Setup(tasks)
    setup.window.ask()
    await setup.settle()
    return setup


async def test_a_hundred_thousand_tasks_are_seen_through_three_screens_at_a_time() -> None:
    setup = await started()
    assert setup.window.total == 100_000
    assert setup.queries[0].limit == 60


async def test_moving_on_answers_at_once_and_fetches_ahead() -> None:
    setup = await started()
    for _ in range(200):
        setup.listing.move(1)
        assert setup.listing.key is not None, "the window ran dry under the cursor"
        await setup.settle()
    assert len(setup.queries) < 20


async def test_the_end_is_reached_with_one_question() -> None:
    setup = await started()
    setup.listing.move(1 << 40)
    assert setup.listing.cursor == 99_999 and setup.listing.key is None
    asked = len(setup.queries)
    await setup.settle()
    assert setup.listing.key == setup.engine._id(0)
    assert len(setup.queries) == asked + 1


async def test_a_held_task_does_not_run_away_when_thousands_arrive() -> None:
    setup = await started()
    setup.listing.go(5)
    key, line = setup.listing.key, setup.listing.cursor - setup.listing.top
    setup.engine.total += 5000
    setup.window.ask()
    await setup.settle()
    assert (setup.listing.key, setup.listing.cursor) == (key, 5005)
    assert setup.listing.cursor - setup.listing.top == line
    assert setup.window.at(setup.listing.top) is not None


async def test_on_the_first_line_the_newest_task_leads() -> None:
    setup = await started()
    setup.engine.total += 3
    setup.window.ask()
    await setup.settle()
    assert setup.listing.key == setup.engine._id(100_002)


async def test_a_task_that_is_gone_leaves_the_cursor_on_its_line() -> None:
    setup = await started(50)
    setup.listing.go(49)
    setup.engine._matching = lambda filter: range(49, 9, -1)  # type: ignore[method-assign,assignment]
    setup.window.ask()
    await setup.settle()
    await asyncio.sleep(0)
    await setup.settle()
    assert setup.listing.cursor == 39 and setup.listing.key == setup.engine._id(10)


async def test_an_answer_to_an_old_filter_is_not_shown() -> None:
    setup = await started(100)
    setup.engine.delay = 0.02
    setup.window.change(TaskQuery(filter="state:failure"))
    await asyncio.sleep(0.005)
    setup.window.change(TaskQuery(filter="state:success"))
    await setup.settle()
    assert {row.state for row in setup.window.answer.rows} == {"success"}


async def test_a_wrong_filter_keeps_the_rows_and_tells_why() -> None:
    setup = await started(100)
    setup.window.change(TaskQuery(filter="stat:failure"))
    await setup.settle()
    assert setup.window.problem is not None and "stat" in setup.window.problem.title
    assert setup.window.answer.rows


async def growing(searched: float, hits: int, tasks: int = 200) -> Setup:
    setup = await started(tasks)
    setup.engine.searching = searched, hits
    setup.window.change(TaskQuery(filter="charge"))
    while not setup.window.growing:
        await asyncio.sleep(0.001)
    return setup


async def test_hits_are_asked_for_until_the_search_is_through_and_then_as_a_whole() -> None:
    setup = await growing(0.5, 3)
    assert setup.window.total == 3 and setup.queries[1].patience is not None
    setup.engine.searching = None
    await setup.settle()
    assert setup.window.total == 34 and not setup.window.growing
    setup.engine.searching = 0.1, 1  # As when the engine has forgotten it.
    setup.window.ask()
    await setup.settle()
    assert setup.queries[-1].patience is None and setup.window.total == 34


async def test_rows_found_already_are_not_waited_for() -> None:
    setup = await growing(0.5, 300, tasks=2000)
    setup.listing.move(50)
    await asyncio.sleep(0)
    assert setup.queries[-1].patience == 0.0 and setup.queries[-1].limit == 60
    setup.window.stop()


async def test_a_question_that_nobody_needs_any_more_is_cancelled() -> None:
    setup = await started(100)
    cancelled: list[str] = []

    async def never(query: TaskQuery) -> TaskPage:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(query.filter)
            raise
        return TaskPage()

    setup.window._ask = never
    setup.window.change(TaskQuery(filter="charge"))
    await asyncio.sleep(0)
    setup.window._ask = setup._ask
    setup.window.change(TaskQuery(filter="report"))
    await setup.settle()
    assert cancelled == ["charge"]
    assert {row.name for row in setup.window.answer.rows} == {"shop.report"}
