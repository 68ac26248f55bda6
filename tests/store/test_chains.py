"""A step behind one that failed never ran, though the result backend calls it failed."""

from __future__ import annotations

from lazycelery.insight.verdict.task import of_task
from lazycelery.model.message import Message
from lazycelery.model.reports import ResultReport
from lazycelery.model.task import Task, TaskQuery
from lazycelery.store.store import Store
from lazycelery.tui.presentation.family import Family, family_lines, family_verdict
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.tasks import cells
from tests.doctor.seen import seen
from tests.store.build import T0, failed, received, started, store_of, succeeded

ERROR = {"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"}


def signature(id: str, name: str) -> dict[str, object]:
    return {"task": name, "args": [], "kwargs": {}, "options": {"task_id": id}}


def chain() -> Store:
    """first > second > third > fourth: the second failed."""
    store = store_of(received(1, "first"), started(2, "first"))
    rest = [signature(id, f"shop.{id}") for id in ("fourth", "third", "second")]
    store.apply_messages("q", [Message(position=0, id="first", embed={"chain": rest})], T0, "in-flight")
    store.apply_events([succeeded(3, "first"), received(3, "second"), started(4, "second")])
    store.apply_events([failed(5, "second")])
    told = [
        ResultReport(id=id, status="FAILURE", result=ERROR, date_done=T0 + 5) for id in ("third", "fourth")
    ]
    store.apply_results(told, T0 + 5)
    return store


def test_it_says_so_in_the_list_on_the_page_and_in_the_verdict() -> None:
    store = chain()
    rows = {row.id: row for row in store.query(TaskQuery(), T0 + 6).rows}
    assert {id for id, row in rows.items() if row.never_ran} == {"third", "fourth"}
    look = Look(now=T0 + 6)
    shown = [text for text, _ in cells(rows["third"], look)]
    assert shown[0] == "⊖" and shown[1] == "shop.third" and shown[3] == "never ran"
    assert [text for text, _ in cells(rows["second"], look)][3] == "failure"
    third = store.task("third", T0 + 6)
    assert third is not None and (third.never_ran, third.state) == ("second", "failure")
    verdict = of_task(third, seen())
    assert verdict.text.startswith("Never ran: second, a step before it, failed")
    known = [task for id in rows if (task := store.task(id, T0 + 6)) is not None]
    family = Family("first", sorted(known, key=lambda task: task.id), len(known))
    assert family.held is not None and family.held.id == "second"
    said = family_verdict(family, look)[0]
    assert "1 failure" in said and "2 never ran" in said
    lines = ["".join(text for text, _ in line) for line in family_lines(family, "first", look)]
    assert sum("never ran" in line for line in lines) == 2


def test_a_step_that_a_worker_had_failed_by_itself() -> None:
    store = chain()
    store.apply_events([received(6, "third")])
    row = store.task("third", T0 + 7)
    assert row is not None and row.never_ran is None
    assert isinstance(row, Task)


def test_nothing_is_said_where_nobody_knows_what_was_before() -> None:
    store = store_of()
    store.apply_results([ResultReport(id="x", status="FAILURE", result=ERROR)], T0)
    one = store.task("x", T0)
    assert one is not None and one.never_ran is None and one.name is None


def test_steps_that_are_not_sent_yet_are_told_of_each_of_the_family() -> None:
    store = store_of(received(1, "first"), started(2, "first"))
    rest = [signature(id, f"shop.{id}") for id in ("third", "second")]
    store.apply_messages("q", [Message(position=0, id="first", embed={"chain": rest})], T0, "in-flight")
    store.apply_events([succeeded(3, "first"), received(3, "second")])
    tasks = [task for id in ("first", "second") if (task := store.task(id, T0 + 4)) is not None]
    assert [[step.id for step in task.later] for task in tasks] == [["third"], ["third"]]
    look = Look(now=T0 + 4)
    family = Family("first", tasks, 2)
    lines = ["".join(text for text, _ in line) for line in family_lines(family, "first", look)]
    assert lines[-1].endswith("shop.third third  not sent yet: next, message of first")
    assert "1 of 2 known tasks succeeded, 1 step not sent yet" in family_verdict(family, look)[0]
