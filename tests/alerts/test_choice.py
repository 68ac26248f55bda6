"""Which findings are told to whom, and when: new, worse, back, gone; cool-down and filters."""

from __future__ import annotations

from typing import Any

from lazycelery.alerts.choice import Ledger, choose, wants
from lazycelery.insight.doctor.cases import GONE, RESTORED, Cases
from lazycelery.model.alert import AlertTarget, Turn
from lazycelery.model.finding import Covered, Examination, Finding, FindingMark

ALL = ("worker-lost", "worker-deaf", "queue-without-consumer", "message-orphaned")


def lost(subject: str = "w1@a", severity: Any = "warning", *related: str) -> Finding:
    return Finding(
        code="worker-lost", severity=severity, title="Lost.", subject=subject, related=list(related)
    )


class Story:
    """Examinations one after another, and what a target is told of them."""

    def __init__(self, cases: Cases | None = None, **target: Any) -> None:
        self.cases = cases or Cases()
        self.target = AlertTarget(name="t", command=["x"], **{"cool_down": 100.0, **target})
        self.ledger = Ledger()

    def sees(
        self,
        at: float,
        *findings: Finding,
        snoozed: tuple[Finding, ...] = (),
        hidden: tuple[str, ...] = (),
        covered: tuple[Covered, ...] = (),
    ) -> list[str]:
        present = {(one.code, one.subject) for one in (*findings, *snoozed)} | {
            ("worker-lost", one) for one in hidden
        }
        present |= {(one.finding.code, one.finding.subject) for one in covered}
        examination = Examination(
            findings=list(findings), snoozed=list(snoozed), checked=list(ALL), watched=at
        )
        self.turns: list[Turn] = self.cases.step(examination, present, at, covered)
        return [one.kind for one in choose(self.target, self.ledger, self.turns, self.cases.open, at)]


def test_new_once_worse_once_and_gone_after_a_while() -> None:
    story = Story()
    assert story.sees(0, lost()) == ["new"]
    assert story.sees(1, lost()) == []
    assert story.sees(2, lost("w1@a", "critical")) == ["worse"]
    assert story.sees(3, lost()) == [], "less is nothing to be told of"
    assert story.sees(4, lost("w1@a", "critical")) == [], "and it was as bad before"
    assert story.sees(5, lost("w1@a", "critical", "w2@a")) == ["worse"], "it is about more"
    assert story.sees(6) == [] and story.sees(5 + GONE) == []
    assert story.sees(6 + GONE) == ["recovered"]


def test_a_finding_that_flaps_is_told_once_in_its_cool_down_and_not_lost() -> None:
    story = Story(recovery=False)
    assert story.sees(0, lost()) == ["new"]
    story.sees(1)
    assert [turn.kind for turn in (story.sees(20), story.turns)[1]] == ["recovered"]
    assert story.sees(30, lost()) == [], "told 30 s ago"
    assert story.sees(99, lost()) == []
    assert story.sees(101, lost()) == ["new"], "it stays: now it is told"


def test_a_clock_that_is_set_back_holds_up_neither_what_is_new_nor_what_is_over() -> None:
    story = Story()
    day = 86_400
    assert story.sees(10 * day, lost()) == ["new"]
    assert story.sees(10 * day + 1) == []
    assert story.sees(2) == []
    assert story.sees(3 + GONE) == ["recovered"]
    assert story.sees(20, lost()) == ["new"], "that the last one was told is in the future"
    two = lost("w1@a", "warning", "w2@a")
    assert story.sees(21, two) == ["worse"]
    three = lost("w1@a", "warning", "w2@a", "w3@a")
    assert story.sees(22, three) == [], "told a second ago"
    assert story.sees(23 - day, three) == ["worse"]


def poisoned(id: str, name: str = "shop.poison", *related: str) -> Finding:
    return Finding(
        code="worker-deaf",
        severity="critical",
        title="Again and again.",
        subject=id,
        kind="task",
        cause=name,
        related=list(related),
    )


def test_a_finding_for_each_task_is_told_once_for_its_name_in_a_cool_down() -> None:
    story = Story(recovery=False)
    assert story.sees(0, poisoned("a")) == ["new"]
    assert story.sees(1, poisoned("a"), poisoned("b")) == [], "the same cause"
    assert story.sees(2, poisoned("a"), poisoned("b"), poisoned("c", "shop.other")) == ["new"]
    assert story.sees(120, poisoned("z")) == ["new"], "cooled down"


def test_what_is_worse_is_not_kept_back_by_what_was_less() -> None:
    story, soon = Story(recovery=False), poisoned("a")
    soon.severity = "warning"
    assert story.sees(0, soon) == ["new"]
    assert story.sees(1, soon, poisoned("b")) == ["new"], "critical, of another task with the same name"
    later = poisoned("c")
    later.severity = "warning"
    assert story.sees(2, soon, poisoned("b"), later, poisoned("d")) == []


def test_a_finding_that_grows_by_a_task_at_a_time_is_told_as_it_doubles() -> None:
    story, ids = Story(), [f"t{number}" for number in range(40)]
    told = [story.sees(at, poisoned("t", "shop.poison", *ids[:at])) for at in range(40)]
    assert [at for at, kinds in enumerate(told) if kinds] == [0, 1, 3, 7, 15, 31]
    assert story.sees(31 + 100, poisoned("t", "shop.poison", *ids)) == ["worse"], "cooled down, and more"


def test_what_a_cause_hides_has_not_recovered() -> None:
    story = Story()
    story.sees(0, lost())
    for at in range(1, 100, 5):
        assert story.sees(at, hidden=("w1@a",)) == []
    story.sees(100)
    assert story.sees(101 + GONE) == ["recovered"]


def test_what_could_not_be_looked_for_has_not_recovered() -> None:
    cases = Cases()
    cases.step(Examination(findings=[lost()], checked=list(ALL)), {("worker-lost", "w1@a")}, 0)
    for at in (1, 50, 100):
        assert not cases.step(Examination(checked=["broker-unreachable"]), (), at)
    assert len(cases.open) == 1


def test_single_findings_that_become_a_group_are_one_case() -> None:
    story = Story()
    assert story.sees(0, lost("a"), lost("b"), lost("c")) == ["new"] * 3
    assert story.sees(1, lost("a", "warning", "b", "c", "d")) == ["worse"]
    assert story.sees(2, lost("b"), lost("c")) == []
    story.sees(3)
    assert story.sees(3 + GONE) == ["recovered"], "one for all"


def test_snoozed_and_acknowledged_ones_are_quiet_and_come_back() -> None:
    story = Story()
    story.sees(0, lost())
    assert story.sees(1, snoozed=(lost(),)) == []
    assert story.sees(50, lost()) == ["back"], "its time is over"
    known = lost("w9@a")
    known.mark = FindingMark(code="worker-lost", subject="w9@a", kind="ack", by="ada", at=0)
    assert story.sees(51, lost(), known) == []


def test_filters_by_severity_code_and_subject() -> None:
    def told(**target: Any) -> bool:
        return wants(AlertTarget(name="t", command=["x"], **target), lost("w1@shop"))

    assert told() and told(codes=["worker-*"]) and told(subjects=["*@shop"]) and told(codes=["!queue-*"])
    assert not told(least="critical") and not told(codes=["worker-*", "!worker-lost"])
    assert not told(subjects=["mail*"]) and not told(subjects=["!w1@shop"])


def test_a_restart_neither_repeats_nor_forgets() -> None:
    story = Story()
    story.sees(0, lost())
    again = Story(Cases(story.cases.open))
    again.ledger = story.ledger
    assert again.sees(5, lost()) == []
    third = Story(Cases(again.cases.open))
    third.ledger = again.ledger
    assert third.sees(10) == [] and third.sees(10 + RESTORED - 1) == [], "it may not be seen yet"
    assert third.sees(10 + RESTORED) == ["recovered"]


def orphans(*by: str) -> Covered:
    finding = Finding(
        code="message-orphaned", severity="critical", title="Three.", subject="mail", kind="queue"
    )
    return Covered(finding=finding, by=[("worker-lost", name) for name in by])


def test_who_asks_for_what_another_finding_speaks_for_is_told_of_it() -> None:
    story = Story(codes=["message-orphaned", "task-lost"])
    assert story.sees(0, lost()) == []
    assert story.sees(1, lost(), covered=(orphans("w1@a"),)) == ["new"]
    assert [turn.kind for turn in story.turns if not turn.aside] == [], "faces have it with the worker"
    assert story.sees(2, lost(), covered=(orphans("w1@a"),)) == []
    story.sees(3, lost())
    assert story.sees(4 + GONE, lost()) == ["recovered"] and story.turns[0].aside


def test_who_hears_of_the_cause_is_not_told_of_what_it_speaks_for() -> None:
    for codes in ([], ["worker-*", "message-orphaned"]):
        story = Story(codes=codes)
        assert story.sees(0, lost(), covered=(orphans("w1@a"),)) == ["new"]
        assert story.sees(1, lost(), covered=(orphans("w1@a"),)) == []
    by_subject = Story(subjects=["mail"])
    assert by_subject.sees(0, lost(), covered=(orphans("w1@a"),)) == ["new"], "of its queue alone"


def test_what_was_covered_is_said_once_its_cause_has_gone() -> None:
    story = Story()
    story.sees(0, lost(), covered=(orphans("w1@a"),))
    assert story.sees(1, orphans().finding) == ["new"]
    assert [turn.kind for turn in story.turns] == ["new"] and not story.turns[0].aside
    asked = Story(codes=["message-orphaned"])
    asked.sees(0, lost(), covered=(orphans("w1@a"),))
    assert asked.sees(1, orphans().finding) == [], "it was told that before"
    before = Story(codes=["message-orphaned"])
    assert before.sees(0, orphans().finding) == ["new"]
    assert before.sees(1, lost(), covered=(orphans("w1@a"),)) == [], "the same one, with its cause now"


def test_nobody_is_told_of_what_follows_from_a_cause_that_is_known() -> None:
    known = lost()
    known.mark = FindingMark(code="worker-lost", subject="w1@a", kind="ack", by="ada", at=0)
    story = Story(codes=["message-orphaned"])
    assert story.sees(0, known, covered=(orphans("w1@a"),)) == []
    put_off = Story(codes=["message-orphaned"])
    assert put_off.sees(0, snoozed=(lost(),), covered=(orphans("w1@a"),)) == []
