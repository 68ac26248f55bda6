"""What comes from the history, or from a recording, looks so."""

from __future__ import annotations

from typing import cast

import pytest

from lazycelery.model.cluster import Overview
from lazycelery.model.profile import Profile
from lazycelery.model.task import Task, TaskRow
from lazycelery.tui.link import Link, Spawn
from lazycelery.tui.presentation import task_page
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.tasks import cells
from tests.support.fake_engine import NOW


def test_a_row_of_the_history_is_dim() -> None:
    row = TaskRow(row=1, stamp=1, id="a", name="shop.charge", state="failure", error="ValueError('x')")
    assert {token for _, token in cells(row, Look(NOW))} > {"fail"}
    row.past = True
    assert {token for _, token in cells(row, Look(NOW))} == {"dim"}


def test_a_task_of_the_history_says_so_and_how_old_that_is() -> None:
    one = Task(id="a", state="success", marks=["history"], seen=NOW - 3600)
    lines = task_page._summary(one, Look(NOW, utc=True), 80, None)
    text = "\n".join("".join(part[0] for part in line) for line in lines)
    assert "from the recorded history, last seen 01:03:22" in text


def link_at(clock: float, overview: Overview | None) -> Link:
    link = Link(cast("Spawn", None), Profile(), lambda **_: None)
    link.clock = lambda: clock
    link.truth.overview, link._anchor = overview, 998.0
    return link


@pytest.mark.parametrize(("speed", "wanted"), [(1.0, 1000.0), (10.0, 70.0), (0.0, 50.0), (0.5, 51.0)])
def test_ages_on_the_screen_go_by_the_recordings_time(speed: float, wanted: float) -> None:
    assert link_at(1000.0, Overview(now=50.0, speed=speed)).now() == wanted


def test_before_anything_is_known_the_clock_is_ours() -> None:
    assert link_at(1000.0, None).now() == 1000.0
