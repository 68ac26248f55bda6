"""Acknowledged and snoozed findings: how far a mark goes, when it ends, and who sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.actions.files import state_directory
from lazycelery.engine.engine import Engine
from lazycelery.errors import ConnectionProblem, NothingFound, UsageError
from lazycelery.insight.doctor.marks import marked, outgrown
from lazycelery.model.cluster import Overview
from lazycelery.model.finding import Finding, FindingMark, Severity
from lazycelery.model.profile import Profile

NOW = 1_800_000_000.0


def lost(
    subject: str = "w1@a", severity: Severity = "warning", *related: str, code: str = "worker-lost"
) -> Finding:
    return Finding(code=code, severity=severity, title="Lost.", subject=subject, related=list(related))


def mark(*subjects: str, severity: Severity = "warning", until: float | None = NOW + 60) -> FindingMark:
    return FindingMark(
        code="worker-lost",
        subject=subjects[0],
        kind="snooze",
        by="ada@ops1",
        at=NOW,
        until=until,
        severity=severity,
        subjects=list(subjects),
    )


def test_a_snoozed_finding_is_folded_away_until_its_time_is_over() -> None:
    assert marked([lost()], [mark("w1@a")], NOW + 59)[1] == [lost_with(mark("w1@a"))]
    shown, snoozed = marked([lost()], [mark("w1@a")], NOW + 60)
    assert len(shown) == 1 and not snoozed
    assert outgrown(shown, [mark("w1@a")], NOW + 60) == [mark("w1@a")]


def lost_with(set_: FindingMark) -> Finding:
    finding = lost()
    finding.mark = set_
    return finding


def test_it_comes_back_when_it_becomes_more_severe_or_is_about_more() -> None:
    marks = [mark("w1@a", "w2@a")]
    assert not marked([lost("w2@a", "warning", "w1@a")], marks, NOW)[0]
    assert not marked([lost("w1@a", "info")], marks, NOW)[0], "less is covered"
    for worse in (lost("w1@a", "critical"), lost("w1@a", "warning", "w3@a")):
        shown, _ = marked([worse], marks, NOW)
        assert shown == [worse] and outgrown(shown, marks, NOW) == marks


def test_another_finding_is_not_covered() -> None:
    shown, _ = marked([lost("w9@a"), lost(code="worker-deaf")], [mark("w1@a")], NOW)
    assert len(shown) == 2 and not outgrown(shown, [mark("w1@a")], NOW)


def test_idle_workers_that_come_and_go_do_not_end_a_mark() -> None:
    hoards = lost("w1@a", "warning", "w5@a", code="prefetch-hoarding")
    covering = mark("w1@a")
    covering.code = "prefetch-hoarding"
    assert marked([hoards], [covering], NOW)[1] == [hoards]


def engine(**profile: object) -> Engine:
    made = Engine(Profile(broker="redis://:hunter2@127.0.0.1:1/0", **profile))  # type: ignore[arg-type]
    return made


async def test_a_mark_is_shared_logged_and_taken_back() -> None:
    one, other = engine(), engine()
    for each in (one, other):
        down(each)
        assert [found.code for found in (await each.doctor()).findings] == ["broker-unreachable"]
    put = await one.mark_finding(
        "broker-unreachable", kind="snooze", seconds=3600, note="password=hunter2 \x1b[2J"
    )
    assert "hunter2" not in put.note and "\x1b" not in put.note
    examination = await other.doctor()
    assert examination.healthy and [found.code for found in examination.snoozed] == ["broker-unreachable"]
    overview = await other.overview()
    assert not [notice for notice in overview.notices if notice.code == "broker-unreachable"]
    assert [found.code for found in overview.snoozed] == ["broker-unreachable"]
    [entry] = await one.audit()
    assert (
        entry.action == "snooze" and entry.targets == ["broker-unreachable:"] and "hunter2" not in str(entry)
    )
    [file] = (state_directory() / "findings").glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600 and "hunter2" not in file.read_text()
    await other.mark_finding("broker-unreachable", kind="clear")
    assert not (await one.doctor()).healthy


@pytest.mark.parametrize("history", [True, False])
async def test_two_sessions_that_live_at_the_same_time_see_each_others_marks_and_so_does_the_next(
    history: bool, tmp_path: Path
) -> None:
    """Each only looks at what it is told once a second; nobody asks for a new examination."""

    def made() -> Engine:
        return engine(recorder=True, history=history, history_dir=str(tmp_path / "h"), timeout=0.5)

    async def told(one: Engine, what: Callable[[Overview], bool]) -> None:
        for _ in range(60):
            if what(await one.overview()):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(await one.overview())

    def marked_as(kind: str) -> Callable[[Overview], bool]:
        return lambda seen: [one.mark.kind for one in seen.findings if one.mark] == [kind]

    def open_(seen: Overview) -> bool:
        return [one.mark for one in seen.findings] == [None] and not seen.snoozed

    one, other = made(), made()
    try:
        await one.start()
        await other.start()
        await told(one, open_)
        await told(other, open_)
        await one.mark_finding("broker-unreachable", note="Ada is at it")
        await told(other, marked_as("ack"))
        await other.mark_finding("broker-unreachable", kind="snooze", seconds=2.0)
        await told(one, lambda seen: len(seen.snoozed) == 1 and not seen.findings)
        await told(one, open_)
        await told(other, open_)
        await other.mark_finding("broker-unreachable")
        await other.close()
        await one.close()
        one = made()
        await one.start()
        await told(one, marked_as("ack"))
    finally:
        await one.close()
        await other.close()


async def test_an_acknowledged_finding_stays_in_sight() -> None:
    one = engine()
    down(one)
    await one.mark_finding("broker-unreachable", note="Ada is at it")
    [found] = (await one.doctor()).findings
    assert (
        found.mark
        and found.mark.kind == "ack"
        and found.mark.note == "Ada is at it"
        and found.mark.until is None
    )


async def test_what_is_not_there_cannot_be_marked() -> None:
    one = engine()
    down(one)
    with pytest.raises(NothingFound):
        await one.mark_finding("worker-lost")
    with pytest.raises(NothingFound):
        await one.mark_finding("broker-unreachable", "w1@a")
    with pytest.raises(NothingFound):
        await one.mark_finding("broker-unreachable", kind="clear")


async def test_an_engine_that_goes_on_forgets_what_no_longer_holds() -> None:
    lasting = engine(recorder=True, history=False)
    down(lasting)
    await lasting.mark_finding("broker-unreachable", kind="snooze", seconds=0.001)
    assert not (await lasting.doctor()).healthy
    [file] = (state_directory() / "findings").glob("*.json")
    assert file.read_text() == "[]"


async def test_a_damaged_list_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    one = engine()
    down(one)
    await one.mark_finding("broker-unreachable", kind="snooze", seconds=60)
    [file] = (state_directory() / "findings").glob("*.json")
    Path(file).write_text("{")
    assert not (await one.doctor()).healthy


def test_several_that_could_be_meant_are_asked_for() -> None:
    from lazycelery.engine.finding_marks import _meant
    from lazycelery.model.finding import Examination

    examination = Examination(findings=[lost("w1@a"), lost("w2@a")])
    assert _meant(examination, "worker-lost", "w2@a").subject == "w2@a"
    with pytest.raises(UsageError):
        _meant(examination, "worker-lost", "")


def down(one: Engine) -> None:
    one._links.down("broker", ConnectionProblem("127.0.0.1:1 refused.", "Start it."))
