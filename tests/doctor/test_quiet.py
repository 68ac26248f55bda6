"""Findings stand still: patience, lingering, since; one cause is one finding."""

from __future__ import annotations

from lazycelery.insight.doctor.grouping import grouped, told
from lazycelery.insight.doctor.memory import Memory
from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.model.finding import Finding

MODES = {
    "slow": Mode("slow", lambda seen: [], patience=5.0, lingers=3.0),
    "quick": Mode("quick", lambda seen: []),
}


def finding(code: str, subject: str = "w1", severity: str = "warning") -> Finding:
    evidence = [fact("it is so", "control", 1)]
    return Finding(
        code=code, severity=severity, title=f"{subject} is ill.", subject=subject, evidence=evidence
    )  # type: ignore[arg-type]


def codes(found: list[Finding]) -> list[str]:
    return [one.code for one in found]


def test_what_passes_is_not_said_and_what_stays_is_said_with_its_beginning() -> None:
    memory = Memory()
    memory.note([], MODES, 90)
    assert memory.note([finding("slow")], MODES, 100) == []
    assert memory.note([], MODES, 101) == []
    assert memory.note([finding("slow")], MODES, 104) == []
    assert memory.note([finding("slow")], MODES, 106) == []
    [said] = memory.note([finding("slow")], MODES, 109)
    assert said.since == 104


def test_what_flickers_stays_said_and_what_is_cured_goes() -> None:
    memory = Memory()
    memory.note([], MODES, 90)
    for at in range(100, 107):
        memory.note([finding("slow")], MODES, at)
    assert codes(memory.note([], MODES, 108)) == ["slow"]
    [said] = memory.note([finding("slow")], MODES, 109)
    assert said.since == 100
    assert memory.note([], MODES, 113) == []


def test_what_was_there_when_we_looked_first_lasts_for_as_long_at_least() -> None:
    memory = Memory(began=99.0)

    def said(at: float, **since: float | None) -> dict[str, tuple[float | None, bool]]:
        found = [finding("quick", subject) for subject in since]
        for one in found:
            one.since = since[one.subject]
        return {one.subject: (one.since, one.at_least) for one in memory.note(found, MODES, at)}

    first = {"told": (50.0, False), "ours": (99.5, True), "undated": (100.0, True)}
    assert said(100, told=50.0, ours=99.5, undated=None) == first
    assert said(102, told=50.0, ours=99.5, undated=None, soon=None) == {**first, "soon": (102, True)}
    assert said(160, undated=None, late=None) == {"undated": (100, True), "late": (160, False)}
    memory.clock_set(-40.0)
    assert said(125, undated=None, later=None) == {"undated": (60, True), "later": (125, False)}


def test_a_group_is_as_old_as_its_oldest() -> None:
    many = [finding("worker-lost", f"w{n}") for n in range(40)]
    for number, one in enumerate(many):
        one.since, one.at_least = 100.0 + number, number > 0
    assert not grouped(many)[0].at_least
    many[0].at_least = True
    assert grouped(many)[0].at_least


def test_what_is_counted_over_a_window_holds_since_it_was_seen_first() -> None:
    memory = Memory()
    for at in (100, 101, 102):
        one = finding("quick")
        one.since = at - 5.0
        [said] = memory.note([one], MODES, at)
        assert said.since == 95


def test_what_leads_a_group_does_not_change_with_each_look() -> None:
    names = ["w4", "w1", "w3", "w2", "w5"]
    for turn in range(5):
        [one] = grouped([finding("quick", name) for name in names[turn:] + names[:turn]])
        assert one.subject == "w1"


def test_the_worst_is_first() -> None:
    found = [finding("quick", "a"), finding("quick", "b", "critical"), finding("quick", "c", "info")]
    assert [one.subject for one in Memory().note(found, MODES, 100)] == ["b", "a", "c"]


def test_a_dead_broker_is_one_finding_and_not_forty() -> None:
    many = [finding("worker-lost", f"w{n}") for n in range(40)]
    assert codes(grouped([*many, finding("broker-unreachable", "")])) == ["broker-unreachable"]


def test_many_of_a_kind_are_one_and_few_are_told_apart() -> None:
    many = [finding("worker-lost", f"w{n}", "critical" if n == 3 else "warning") for n in range(40)]
    [one] = grouped(many)
    assert (one.severity, one.subject, len(one.related)) == ("critical", "w3", 39)
    assert "39 more" in one.title and one.evidence[0].value == 40
    assert len(grouped(many[:3])) == 3


def test_a_lost_workers_messages_and_tasks_are_told_with_it_and_alone_once_it_is_back() -> None:
    def left(code: str, subject: str, number: int = 1, worker: str = "w1") -> Finding:
        one = finding(code, subject, "critical")
        one.title, one.fix, one.follows = f"{subject} is left.", f"Mend {code}.", [worker]
        one.evidence[0].value = number
        return one

    death = finding("worker-lost", "w1")
    follow = [
        left("message-orphaned", "mail", 40),
        left("message-orphaned", "web", 8),
        left("task-lost", "t1"),
    ]
    for _ in range(2):  # What is remembered is not changed by what is told.
        [one] = grouped([*follow, death])
        assert one.subject == "w1" and one.severity == "critical" and one.fix.count("Mend") == 2
        assert one.title == "w1 is ill, and with it 48 messages it held and 1 task it ran."
        assert [fact.text for fact in one.evidence[1:]] == ["mail is left.", "web is left.", "t1 is left."]
    follow[1].follows = ["w1", "w2"]
    [one, _] = grouped([*follow, death, finding("worker-lost", "w2")])
    assert one.title == "w1 is ill, and with it 48 messages it and other lost ones held and 1 task it ran."
    assert codes(grouped(follow)) == ["message-orphaned", "message-orphaned", "task-lost"]
    assert len(grouped([death, left("task-lost", "t2", worker="w9")])) == 2


def of_queues(code: str, subject: str, *queues: str, kind: str = "worker") -> Finding:
    one = finding(code, subject)
    one.kind, one.queues = kind, list(queues)  # type: ignore[assignment]
    return one


def test_what_is_silent_at_another_queue_is_said_beside_a_drop_and_a_death() -> None:
    drop = of_queues("throughput-drop", "web", kind="queue")
    page = of_queues("task-silent", "shop.page", "web", kind="task")
    mail = of_queues("task-silent", "shop.mail", "mail", kind="task")
    unknown = of_queues("task-silent", "shop.odd", kind="task")
    said = [(one.code, one.subject) for one in grouped([drop, page, mail, unknown])]
    assert said == [("throughput-drop", "web"), ("task-silent", "shop.mail"), ("task-silent", "shop.odd")]
    death = of_queues("worker-lost", "w1", "web", "other")
    said = [(one.code, one.subject) for one in grouped([death, drop, page, mail])]
    assert said == [("worker-lost", "w1"), ("task-silent", "shop.mail")]


def test_what_another_one_speaks_for_is_known_with_whoever_does() -> None:
    orphans = finding("message-orphaned", "mail")
    orphans.follows, orphans.evidence[0].value = ["w1"], 3
    behind = finding("backlog-growing", "web")
    all_of = [finding("no-workers", ""), finding("worker-lost", "w1"), orphans, behind]
    told_of = {one.finding.code: one.by for one in told(all_of).covered}
    assert told_of == {
        "backlog-growing": [("no-workers", "")],
        "message-orphaned": [("worker-lost", "w1"), ("no-workers", "")],
        "worker-lost": [("no-workers", "")],
    }
    assert told([*all_of, finding("broker-unreachable", "")]).covered == [], "old by now"
    many = [finding("no-workers", ""), *(finding("backlog-growing", f"q{number}") for number in range(9))]
    [one] = told(many).covered
    assert len(one.finding.related) == 8 and one.by == [("no-workers", "")]


def test_what_follows_is_not_said_beside_its_cause() -> None:
    found = [
        finding("no-workers", ""),
        finding("queue-without-consumer", "mail"),
        finding("worker-lost", "w1"),
    ]
    [one] = grouped(found)
    assert one.code == "no-workers" and one.title.endswith(": w1 is ill.") and one.fix == ""
    found = [finding("worker-lost", "w1"), finding("worker-deaf", "w1"), finding("worker-deaf", "w2")]
    assert [(one.code, one.subject) for one in grouped(found)] == [
        ("worker-lost", "w1"),
        ("worker-deaf", "w2"),
    ]
