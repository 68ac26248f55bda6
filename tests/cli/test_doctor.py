"""`lazycelery doctor`: the contract of its JSON and its exit codes."""

from __future__ import annotations

import time

import msgspec
import pytest

from lazycelery.errors import ConnectionProblem
from lazycelery.model.finding import Evidence, Examination, Finding, Step, Unchecked
from lazycelery.model.worker import Worker
from tests.cli.fake_engine import EVIL, NOW

TYPO = Finding(
    code="queue-without-consumer",
    severity="warning",
    title="7 messages in defualt, nobody consumes it.",
    subject="defualt",
    since=NOW - 61,
    evidence=[Evidence(text="7 messages in defualt", value=7, source="broker")],
    fix="Start a worker with `-Q defualt`.",
    actions=["purge"],
    kind="queue",
    page="lazycelery explain queue-without-consumer",
)
INFO = Finding(code="results-off", severity="info", title="No results are kept.", fix="Set result_backend.")


@pytest.fixture
def examined(engine, monkeypatch):
    """What the doctor will say."""
    examination = Examination(
        checked=["queue-without-consumer", "results-off"],
        unchecked=[
            Unchecked(code="events-off", why="No task ran."),
            Unchecked(code="task-lost", why="No task ran."),
        ],
        at=NOW,
        watched=5.0,
    )

    async def doctor():
        examination.healthy = not examination.findings
        return examination

    monkeypatch.setattr(engine, "doctor", doctor, raising=False)
    return examination


def test_a_healthy_cluster_ends_with_0(examined, run):
    done = run("doctor", "--json")
    assert done.code == 0
    assert done.json["healthy"] is True
    assert done.json["findings"] == []
    assert done.json["checked"] == ["queue-without-consumer", "results-off"]
    assert done.json["unchecked"][0] == {"code": "events-off", "why": "No task ran."}
    assert "Nothing is wrong: 2 checks, watched for 5 s." in run("doctor").out


def test_who_is_known_from_before_and_silent_is_named(examined, engine, run, monkeypatch):
    silent = [Worker(name=f"w{number}@h{EVIL}", last_seen=time.time() - 125) for number in range(7)]

    async def workers():
        return [Worker(name="here@h", state="online", control_age=1.0), *silent]

    monkeypatch.setattr(engine, "workers", workers, raising=False)
    told = run("doctor").err
    assert "Not judged: w0@h" in told and "(seen 2m" in told and "and 2 more. No answer" in told
    assert "here@h" not in told and "\x1b" not in told


def test_findings_end_with_1_and_have_all_their_fields(examined, run):
    examined.findings = [TYPO]
    done = run("doctor", "--json")
    assert (done.code, done.json["healthy"]) == (1, False)
    [finding] = done.json["findings"]
    names = {"code", "severity", "title", "subject", "since", "evidence", "fix", "actions"}
    assert names <= set(finding)
    assert finding["evidence"] == [{"text": "7 messages in defualt", "value": 7, "source": "broker"}]
    assert finding["since"] == NOW - 61


def test_people_are_told_what_where_since_when_why_and_what_helps(examined, run):
    examined.findings = [TYPO]
    done = run("doctor")
    assert "WARNING" in done.out and "7 messages in defualt, nobody consumes it." in done.out
    assert "queue-without-consumer defualt, since 1m01s" in done.out
    examined.findings = [msgspec.structs.replace(TYPO, at_least=True)]
    assert "queue-without-consumer defualt, since >1m01s" in run("doctor").out
    assert run("doctor", "--json").json["findings"][0]["at_least"]
    assert "- 7 messages in defualt (broker)" in done.out
    assert "fix: Start a worker" in done.out
    assert done.err.count("Not checked") == 1 and "events-off, task-lost. No task ran." in done.err


def test_some_can_be_left_out(examined, run):
    examined.findings = [INFO]
    assert run("doctor").code == 1
    assert run("doctor", "--ignore", "results-off").code == 0
    examined.findings = [INFO]
    assert run("doctor", "--least", "warning").code == 0
    wrong = run("doctor", "--ignore", "result-off")
    assert wrong.code == 2 and "results-off" in wrong.err


def test_how_long_it_looks(examined, engine, run):
    run("doctor")
    assert engine.asked["ready"][1] == 5.0
    run("doctor", "--observe", "60")
    assert engine.asked["ready"][1] == 60


def test_without_a_broker_the_finding_is_told_and_it_ends_with_3(examined, engine, run):
    engine.fail_with(ConnectionProblem("Nothing listens.", "Start it."))
    examined.findings = [Finding(code="broker-unreachable", severity="critical", title="Nothing listens.")]
    done = run("doctor", "--json")
    assert done.code == 3
    assert done.json["findings"][0]["code"] == "broker-unreachable"
    assert '"code": "connection"' in done.err
    assert run("doctor").code == 3


def test_steps_are_shown_and_nothing_harms_a_terminal(examined, run):
    examined.findings = [TYPO]
    examined.steps = [Step(name="mailboxes", ok=False, text=f"None of {EVIL}.")]
    done = run("doctor")
    assert "NO  mailboxes" in done.out
    assert "\x1b" not in done.out
