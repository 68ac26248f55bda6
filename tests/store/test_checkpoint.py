"""A store that is had again as it was at a moment."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest

from lazycelery.model.faults import ErrorQuery
from lazycelery.model.reports import QueueReport, WorkerReport
from lazycelery.store import tasklog
from lazycelery.store.checkpoint import Checkpoint, Keeper
from lazycelery.store.store import Store
from lazycelery.store.tasklog import TaskLog
from tests.store.build import T0, beat, event, received, started
from tests.store.test_large_stores import result_of


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    log = TaskLog(tempfile.TemporaryFile())  # noqa: SIM115
    yield Keeper(log)
    log.close()


def taken(keeper: Keeper, store: Store, before: Checkpoint | None = None) -> Checkpoint:
    checkpoint: Checkpoint = result_of(keeper.take(store, before))[0]
    return checkpoint


def restored(keeper: Keeper, checkpoint: Checkpoint, tasks: int = 1000) -> Store:
    store: Store = result_of(keeper.restore(checkpoint, tasks))[0][0]
    return store


@pytest.mark.parametrize("different", [0, 1, 5, 100])
def test_texts_come_back_however_many_differ(keeper: Keeper, different: int) -> None:
    store = Store(1000)
    texts = [None if different == 0 or n % 9 == 4 else f"({n % different}, 'é')" for n in range(100)]
    for number, text in enumerate(texts):
        store.apply_events([received(number, f"t{number}", args=text)])
    checkpoint = taken(keeper, store)
    for number in range(0, 100, 3):  # Of later pieces some rows are not the newest any more.
        store.apply_events([received(200 + number, f"t{number}", args="later", retries=1)])
    later = taken(keeper, store, checkpoint)
    for one, at in ((checkpoint, None), (later, store)):
        again = restored(keeper, one).columns
        args = [again.sealed.text("args", again.slots[f"t{number}"]) for number in range(100)]
        own = [at.columns.sealed.text("args", at.columns.slots[f"t{n}"]) for n in range(100)] if at else texts
        assert args == own


def groups(store: Store) -> list[tuple[str, int]]:
    page = result_of(store.errors.page(ErrorQuery(), None, T0 + 100))[0]
    return sorted((one.type, one.count) for one in page.groups)


def fails(store: Store, number: int, exception: str) -> None:
    id = f"t{number}"
    store.apply_events([received(number, id), started(number + 0.1, id)])
    store.apply_events([event("failed", number + 0.2, id, exception=exception)])


def test_errors_that_were_looked_at_before_are_told_again(keeper: Keeper) -> None:
    """Numbers of kinds are a store's own: those of one were taken for another's."""
    store = Store(1000)
    for number in range(30):
        fails(store, number, ("ValueError('a')", "KeyError('b')", "OSError('c')")[number % 3])
    there = groups(store)
    checkpoint = taken(keeper, store)
    fails(store, 50, "ZeroDivisionError('d')")
    groups(store)
    again = restored(keeper, checkpoint)
    fails(again, 60, "ArithmeticError('e')")
    assert len(there) == 3 and groups(again) == sorted([*there, ("ArithmeticError", 1)])


def test_what_comes_later_changes_no_checkpoint(keeper: Keeper) -> None:
    """Also where a copy shares what it need not copy."""
    store = Store(1000)

    def hear(store: Store, at: float, messages: int) -> None:
        store.apply_events([beat(at, processed=int(at))])
        store.apply_queues([QueueReport(name="q", at=T0 + at, type="list", messages=messages)])
        conf: dict[str, object] = {"timezone": f"{messages}"}
        store.apply_worker(WorkerReport(worker="w1@h", at=T0 + at, ping=True, conf=conf, active=[]))

    def shown(store: Store) -> object:
        worker = store.worker("w1@h", T0 + 100)
        assert worker is not None
        return worker, store.queues(T0 + 100), store._workers.known["w1@h"].loss._beats.copy()

    for at in range(5):
        hear(store, at, at)
    before = shown(store)
    checkpoint = taken(keeper, store)
    for other in (store, restored(keeper, checkpoint)):
        assert shown(other) == before
        hear(other, 50, 7)
        assert shown(other) != before
    assert shown(restored(keeper, checkpoint)) == before


def test_slots_that_were_used_again_are_as_the_newest_rows_up_to_then_tell(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nearly all rows are older: nobody may wait until they were passed over."""
    monkeypatch.setattr(tasklog, "AT_ONCE", 8)
    monkeypatch.setattr(tasklog, "PASSED", 4)
    store, checkpoints, ids = Store(40), [], []
    before: Checkpoint | None = None
    for number in range(400):
        fails(store, number, f"ValueError('{number}')")
        if number % 40 == 39:
            before = taken(keeper, store, before)
            checkpoints.append(before)
            ids.append(store.select("", 100, T0 + 500))
    for checkpoint, own in zip(checkpoints, ids, strict=True):
        (again, _), steps = result_of(keeper.restore(checkpoint, 40))
        assert again.select("", 100, T0 + 500) == own
        missing, passed = set(range(again.columns.used)), 0
        for slots, _ in reversed(checkpoint.pieces):
            if missing:
                missing.difference_update(slots.tolist())
                passed += 1
        assert steps > passed / 4
