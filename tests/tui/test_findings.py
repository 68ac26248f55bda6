"""Findings: in sight, explained, and one key from what they are about."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from lazycelery.manual import explain
from lazycelery.model.cluster import Notice
from lazycelery.model.finding import Evidence
from lazycelery.model.finding import Finding as Found
from lazycelery.tui.arrangement import accordion, arrange
from lazycelery.tui.presentation.findings import Finding, matches, page
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.manual import manual_lines
from tests.support.fake_engine import NOW, FakeEngine, queues, worker
from tests.tui.conftest import staged

LOST = Notice(
    code="worker-lost",
    severity="critical",
    title="celery@old-7: heartbeats ended 2m ago without goodbye",
    subject="celery@old-7",
    since=NOW - 130,
)
TYPO = Notice(
    code="queue-without-consumer",
    severity="warning",
    title="7 messages in defualt, nobody consumes it. Did you mean default?",
    subject="defualt",
    hint="Start a worker with -Q, or move the messages.",
)
NOTE = Notice(code="note", severity="info", title="Two workers share one name.")


def troubled(read_only: bool = True) -> FakeEngine:
    engine = FakeEngine(read_only=read_only)
    engine.seen.notices = [LOST, TYPO, NOTE]
    return engine


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 35), (200, 60)])
async def test_findings_and_what_explains_one(
    width: int, height: int, golden: Callable[[str, str], None]
) -> None:
    async with staged(troubled(), (width, height)) as stage:
        await stage.press("4", "j")
        golden(f"findings-{width}x{height}", stage.text)


async def test_opening_a_finding_goes_to_what_it_is_about() -> None:
    async with staged(troubled()) as stage:
        await stage.press("4", "enter")
        assert (stage.desk.lead, stage.desk.workers.listing.key) == ("workers", "celery@old-7")
        await stage.press("4", "j", "enter")
        assert (stage.desk.lead, stage.desk.queues.listing.key) == ("queues", "defualt")
        await stage.press("4", "j", "enter")
        assert stage.desk.lead == "findings" and "no single worker" in stage.text


async def test_opening_the_finding_that_nobody_works_goes_to_the_list_of_workers() -> None:
    engine = FakeEngine()
    engine.seen.notices = [Notice(code="no-workers", severity="critical", title="No worker answers.")]
    async with staged(engine) as stage:
        await stage.press("2", "4")
        assert "⏎ goes to the workers." in stage.text
        await stage.press("enter")
        assert stage.desk.lead == "workers"
        await stage.press("escape")
        assert stage.desk.lead == "findings"


async def test_a_remark_has_no_tabs_and_turns_none_of_the_others() -> None:
    async with staged(troubled()) as stage:
        await stage.press("4", "G", "]")
        assert "A remark has no tabs" in stage.text and stage.desk.main.tabs["findings"] == 0


async def test_opening_a_finding_about_a_task_goes_to_the_task() -> None:
    engine = troubled()
    lost = Notice(code="task-lost", severity="critical", title="Lost.", subject=engine._id(3), kind="task")
    engine.seen.notices = [lost]
    async with staged(engine) as stage:
        await stage.press("4", "enter")
        assert (stage.desk.lead, stage.desk.tasks.pushed) == ("tasks", [f"id:={lost.subject}"])


async def test_opening_a_finding_about_a_task_name_shows_its_tasks() -> None:
    engine = FakeEngine()
    engine.seen.findings = [
        Found(
            code="failure-spike",
            severity="critical",
            title="Fails.",
            subject="shop.charge",
            filter="state:failure name:=shop.charge",
        )
    ]
    engine.seen.notices = [
        Notice(code="failure-spike", severity="critical", title="Fails.", subject="shop.charge")
    ]
    async with staged(engine) as stage:
        await stage.press("4")
        await stage.until("shows its tasks")
        await stage.press("enter")
        assert (stage.desk.lead, stage.desk.tasks.pushed) == ("tasks", ["state:failure name:=shop.charge"])


async def test_a_command_from_a_finding_is_done_to_what_it_is_about() -> None:
    engine = troubled(read_only=False)
    engine.seen.notices = [LOST, msgspec.structs.replace(TYPO, kind="queue"), NOTE]
    async with staged(engine) as stage:
        await stage.press("4", "j", "colon", *"orphans", "enter")
        assert (stage.desk.lead, stage.desk.queues.listing.key) == ("queues", "defualt")
        await stage.until(lambda: stage.desk.talk.asked is not None or stage.desk.talk.message is not None)
        assert "works on" not in stage.text
        await stage.press("escape", "4", "g", "colon", *"orphans", "enter")
        assert ":orphans works on a queue" in stage.text


async def test_a_filter_that_hides_the_subject_is_taken_away() -> None:
    async with staged(troubled()) as stage:
        await stage.press("slash", *"web", "enter", "4", "enter")
        assert stage.desk.workers.listing.key == "celery@old-7"


async def test_the_line_of_notices_is_there_only_where_the_pane_is_not() -> None:
    for size, line in (((80, 24), True), ((120, 35), False)):
        async with staged(troubled(), size) as stage:
            assert ("(+1 more)" in stage.text) == line
    async with staged(troubled()) as stage:
        await stage.press("z")
        assert "(+1 more)" in stage.text


async def test_no_findings_take_one_line() -> None:
    async with staged(size=(80, 24)) as stage:
        assert sum("4 Findings" in line for line in stage.text.split("\n")) == 1
        await stage.press("4")
        assert "Nothing is wrong" in stage.text


def test_the_tasks_take_what_the_others_leave() -> None:
    heights = accordion({"workers": 5, "queues": 4, "tasks": 9, "findings": 0}, "workers", 40)
    assert heights == {"workers": 7, "queues": 6, "tasks": 26, "findings": 1}
    made = arrange(120, 35, {"workers": 5, "queues": 4, "tasks": 900, "findings": 3}, "findings", False, 0)
    assert made.panes["findings"] == 5 and sum(made.panes.values()) == made.body


def test_a_finding_shows_what_its_subject_tells() -> None:
    lost = page(
        Finding(LOST), worker("celery@old-7", "offline", stopped=NOW - 130), None, 0, Look(NOW, utc=True), 60
    )
    said = "\n".join("".join(text for text, _ in line) for line in lost.body)
    assert "How it is known\n✗ offline" in said and "last sign of life" in said
    typo = page(Finding(TYPO), queues()[1], None, 0, Look(NOW), 60)
    said = "\n".join("".join(text for text, _ in line) for line in typo.body)
    assert "What helps" in said and "7 messages · 0 consumers" in said


def test_what_helps_is_whole_on_a_narrow_screen() -> None:
    long = "Without it only the queues of workers are known. " * 6 + "Enable it with `plugins enable this`."
    notice = Notice(code="note", severity="info", title=long, hint=long)
    evidence = [Evidence(text=long)]
    found = Found(code="note", severity="info", title=long, fix=long, evidence=evidence)
    for finding in (Finding(notice), Finding(notice, found)):
        body = page(finding, None, None, 0, Look(NOW), 52).body
        said = " ".join("".join(text for text, _ in line) for line in body)
        assert said.count("`plugins enable this`") == (3 if finding.found else 2) and "…" not in said


def test_a_finding_is_found_by_what_it_says() -> None:
    assert matches(Finding(TYPO), "MEAN DEFAULT") and not matches(Finding(TYPO), "old-7")


def known() -> FakeEngine:
    engine = troubled()
    engine.seen.findings = [
        Found(code=one.code, severity=one.severity, title=one.title, subject=one.subject, fix=one.hint)
        for one in (LOST, TYPO)
    ]
    return engine


async def test_a_finding_is_acknowledged_with_a_note_and_that_is_taken_back() -> None:
    async with staged(known()) as stage:
        await stage.press("4", "a", *"ada", "enter")
        assert "known: old-7" in stage.text and "Note: ada" in stage.text and "ada@ops1" in stage.text
        await stage.press("a")
        assert "known:" not in stage.text and "worker-lost counts again" in stage.text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 48)])
async def test_a_snoozed_finding_is_folded_away_counted_and_unfolded(
    width: int, height: int, golden: Callable[[str, str], None]
) -> None:
    async with staged(known(), (width, height)) as stage:
        await stage.press("4", "s", *"4h deploy", "enter")
        assert "2 + 1" in stage.text and "heartbeats ended" not in stage.text
        golden(f"snoozed-{width}x{height}", stage.text)
        await stage.press("G", "enter", "G")
        assert "heartbeats ended" in stage.text
        assert "Snoozed by ada@ops1" in stage.text and "Note: deploy" in stage.text
        await stage.press("s")
        assert "snoozed" not in stage.text


async def test_a_wrong_time_and_a_remark_are_told() -> None:
    async with staged(known()) as stage:
        await stage.press("4", "s", *"soon", "enter")
        assert "is no time" in stage.text and stage.engine.seen.findings
        await stage.press("G", "a")
        assert "This is a remark" in stage.text


async def test_what_was_done_to_a_finding_is_told_while_the_screen_is_held_still() -> None:
    async with staged(known()) as stage:
        await stage.press("4", "p", "a", "enter")
        assert "Acknowledged worker-lost" in stage.text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 48)])
async def test_a_findings_page_is_read_on_the_screen(
    width: int, height: int, golden: Callable[[str, str], None]
) -> None:
    async with staged(known(), (width, height)) as stage:
        await stage.press("4")
        assert "] tells what it means" in " ".join(stage.text.split())
        await stage.press("]")
        assert "What it looks like" in stage.text and "goodbye" in stage.text
        assert ".md" not in stage.text
        golden(f"meaning-{width}x{height}", stage.text)
        await stage.press("j")
        assert "What it looks like" in stage.text, "the tab stays for the next finding"
        await stage.press("G")
        assert "What it looks like" not in stage.text, "a remark has no page"


@pytest.mark.parametrize("width", [40, 76])
def test_a_table_of_a_page_is_a_list_of_its_rows(width: int) -> None:
    lines = ["".join(part for part, _ in line) for line in manual_lines(explain("no-workers"), width)]
    assert not [line for line in lines if "|" in line]
    assert "- remote control is off: it beats, and" in "\n".join(lines)


def test_a_page_keeps_its_code_and_folds_its_paragraphs() -> None:
    text = "# x\n\n## Why\n\nOne two three\nfour.\n\n- a\n- b c\n\n```\nkeep  this\n```\n\nEnd.\n"
    lines = ["".join(part for part, _ in line) for line in manual_lines(text, 14)]
    assert lines == ["Why", "One two three", "four.", "", "- a", "- b c", "  keep  this", "", "End."]
