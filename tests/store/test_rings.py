"""Finished minutes and hours are packed, and tell what they told before."""

from __future__ import annotations

import tracemalloc

import pytest

from lazycelery.store import rings as module
from lazycelery.store.rings import Cell, Kept, Rings
from lazycelery.store.sketch import FEW, packed, quantiles, unpacked

NAMES, BUCKETS = 50, 150


def filled(offset: int = 0) -> Cell:
    cell = Cell()
    cell.counts[0] = 7 + offset
    cell.runtime.update({place: 1000 + place + offset for place in range(BUCKETS)})
    cell.wait.update({place * 3: 10**12 + place for place in range(BUCKETS)})
    return cell


@pytest.mark.parametrize("many", [0, 1, FEW, FEW + 1, 1024])
def test_a_packed_sketch_is_the_same(many: int) -> None:
    buckets = {1023 - place: 2**40 + place for place in range(many)}
    told = packed(buckets)
    assert isinstance(told, bytes) == (many > FEW)
    back = unpacked(told)
    assert back == buckets and list(back) == list(buckets)


def test_a_packed_cell_is_merged_like_any_other() -> None:
    plain, one, other = filled(), filled(), filled(5)
    one.pack()
    other.pack()
    plain.merge(filled(5))
    one.merge(other)
    assert (one.counts, one.runtime, one.wait) == (plain.counts, plain.runtime, plain.wait)
    assert quantiles(one.runtime, (0.5, 0.95)) == quantiles(plain.runtime, (0.5, 0.95))
    assert (other.runtime, other.wait) == (filled(5).runtime, filled(5).wait)


def test_what_a_cell_took_in_is_its_own() -> None:
    one, other = Cell(), filled()
    one.merge(other)
    one.merge(filled(5))
    assert (other.counts, other.runtime, other.wait) == (filled().counts, filled().runtime, filled().wait)


def test_minutes_and_hours_lose_nothing_when_they_are_finished() -> None:
    rings = Rings(lambda: None, (1.0, 60), (60.0, 120), (3600.0, 48))
    seconds = 3 * 3600 + 30
    for second in range(seconds):
        if second % 10 == 0:
            rings.all[0].step[0] = filled(second)
        rings.tick(1_000_000.0 + second, True)
    minutes, hours = rings.all[1:]
    for ring in (minutes, hours):
        for kept in ring.steps:
            assert all(type(cell._runtime) is bytes for cell in kept.cells.values())
    told = sum(kept.cells[0].runtime[3] for kept in hours.steps) + hours.step[0].runtime[3]
    told += rings.all[1].step[0].runtime[3] if 0 in rings.all[1].step else 0
    assert told == sum(1003 + second for second in range(0, seconds, 10))


def test_a_finished_minute_takes_little_room() -> None:
    tracemalloc.start()
    try:
        kept = Kept(0.0, 60.0, {number: filled() for number in range(NAMES)})
        before = tracemalloc.get_traced_memory()[0]
        kept.pack()
        assert tracemalloc.get_traced_memory()[0] < before / 4
    finally:
        tracemalloc.stop()


def wide() -> Cell:
    cell = Cell()
    cell.runtime = dict.fromkeys(range(1_000, 1_600), 1)
    cell.wait = dict.fromkeys(range(1_000, 1_600), 1)
    return cell


def test_steps_stay_bounded_in_bytes_whatever_durations_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """The finest leave first, and of each size one stays."""
    kept = {}
    for most in (3_000_000, 1 << 60):
        monkeypatch.setattr(module, "MAX_BYTES", most)
        rings = Rings(lambda: None, (1.0, 6), (60.0, 120))
        for second in range(150):
            rings.all[0].step = {key: wide() for key in range(20)}
            rings.tick(1_200_000_000.0 + second, True)
        kept[most] = [len(ring.steps) for ring in rings.all]
    assert kept[1 << 60] == [6, 3] and kept[3_000_000] == [1, 3]


@pytest.mark.parametrize("finished", [False, True])
def test_a_cell_tells_its_size(finished: bool) -> None:
    cells = []
    tracemalloc.start()
    for _ in range(20):
        cells.append(wide())
        if finished:
            cells[-1].pack()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(cell.size() for cell in cells) == pytest.approx(taken, rel=0.15)
