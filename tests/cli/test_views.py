"""The one-shot views: tables for people, JSON for programs, remarks on stderr."""

from __future__ import annotations

import pytest

from lazycelery.errors import ConnectionProblem
from lazycelery.model.cluster import LogLine, Notice, SourceHealth
from lazycelery.model.history import HistoryStatus, NotKept
from lazycelery.model.message import Message
from lazycelery.model.task import Attempt, Task
from lazycelery.model.worker import Worker
from tests.cli.fake_engine import EVIL, NOW

SHAPES = {
    "workers": "name state pool concurrency processes queues active reserved scheduled processed failed "
    "prefetch pid uptime loadavg rss software heartbeat_age clock_skew loss",
    "queues": "name type messages unacked consumers oldest_age wait_estimate in_rate out_rate drain_time "
    "priorities workers",
    "tasks": "id name state worker queue sent received started finished runtime wait eta expires retries "
    "args kwargs result error traceback root_id parent_id group_id truncated sources",
    "peek celery": "position id task args kwargs priority eta expires retries root_id parent_id group_id "
    "headers content_type size redelivered age",
}


@pytest.mark.parametrize(("command", "names"), SHAPES.items())
def test_json_has_the_fields_of_the_contract_in_their_order(engine, run, command, names):
    ran = run(*command.split(), "--json")
    assert ran.code == 0
    first = ran.json[0]
    assert [name for name in first if name in names.split()] == names.split()
    assert "stamp" not in first


def test_unknown_is_null_in_json_and_a_dash_in_a_table(engine, run):
    assert run("workers", "--json").json[0]["rss"] is None
    table = run("workers").out.splitlines()
    assert table[0].split()[:3] == ["WORKER", "STATE", "POOL"]
    assert "-/2" in table[1]


@pytest.mark.parametrize("command", ["status", "workers", "queues", "tasks", "peek celery"])
def test_stdout_of_json_is_one_value_of_plain_ascii(engine, run, command):
    engine.all_workers[0].why = EVIL
    engine.all_tasks[0].args = [EVIL, float("nan")]
    ran = run(*command.split(), "--json")
    assert ran.json is not None
    assert ran.out.isascii()
    assert "\x1b" not in ran.out
    assert ran.out.count("\n") == 1


@pytest.mark.parametrize(
    "command", ["status", "workers", "queues", "tasks", "task id-0", "peek celery", "events --limit 1"]
)
def test_text_of_tasks_never_reaches_the_terminal_as_it_came(engine, run, command):
    engine.all_workers[0].why = engine.all_workers[0].name = EVIL
    engine.all_queues[0].why = engine.all_queues[0].name = EVIL
    engine.all_tasks[0].name = EVIL
    engine.all_tasks[0].args = [EVIL]
    engine.all_tasks[0].traceback = f"line 1\n{EVIL}"
    engine.all_tasks[0].marks = [EVIL]
    engine.messages[0].args = [EVIL]
    engine.lines = [
        LogLine(seq=1, at=NOW, received=NOW, type=EVIL, worker=EVIL, id=EVIL, name=EVIL, text=EVIL)
    ]
    engine.sources = [SourceHealth(name="events", state="lost", reason=EVIL, hint=EVIL)]
    ran = run(*command.split())
    for text in (ran.out, ran.err):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "[/red]" in ran.out + ran.err, "markup is shown as it is"


@pytest.mark.parametrize(
    ("command", "empty", "words"),
    [
        ("workers", "all_workers", "No worker answered within 2 s."),
        ("status", "all_workers", "No worker answered within 2 s."),
        ("queues", "all_queues", "No queue is known"),
        ("tasks", "all_tasks", "No task is known"),
        ("tasks state:failure", "all_tasks", "No task matches 'state:failure'"),
        ("peek celery", "messages", "celery is empty. Known queues: celery."),
        ("audit", "entries", "Nothing is in the audit log."),
    ],
)
def test_an_empty_answer_says_why_and_ends_with_1(engine, run, command, empty, words):
    setattr(engine, empty, [])
    ran = run(*command.split())
    assert ran.code == 1
    assert words in ran.err
    if command.split()[0] != "status":
        assert ran.out == ""
        assert run(*command.split(), "--json").json == []


def test_status_says_which_tasks_it_has_seen(engine, run):
    ran = run("status")
    assert "3 tasks seen: 3 failure" in ran.out
    told = "Tasks seen are those that workers hold, the first messages of queues and the newest results"
    assert f"{told}: not all that there are." in ran.err
    engine.kept = HistoryStatus(recorded=9_000, loaded=2)
    assert f"{told}, and 2 of the recorded history: not all" in run("status").err
    engine.all_tasks = []
    assert "Tasks seen" not in run("status").err


def test_results_that_were_read_are_not_called_connecting(engine, run):
    engine.sources = [SourceHealth(name="results", state="connecting")]
    assert "(results connecting)" in run("status").out
    engine.sources = [SourceHealth(name="results", state="connecting", last=NOW)]
    assert "(results read)" in run("status").out


def test_what_could_not_be_seen_is_told_on_stderr(engine, run):
    engine.sources = [
        SourceHealth(name="results", state="refused", reason="wrong password", hint="Give --backend.")
    ]
    ran = run("tasks", "--json")
    assert "Not seen: results of tasks that ended. Wrong password. Give --backend.\n" in ran.err
    assert "Tasks that ended before are not seen. --observe SECONDS watches task events" in ran.err
    assert "-E or worker_send_task_events = True" in ran.err
    for command in ("workers", "queues", "events --for 0.1"):
        assert "Not seen" not in run(*command.split()).err, "it shows no result"
    engine.sources = []
    assert "seen only where the result backend keeps them" in run("tasks").err
    assert "No task event came in 3 s" in run("tasks", "--observe", "3").err
    engine.lines = [LogLine(seq=1, at=NOW, received=NOW, type="task-started", worker="w1@a")]
    assert "Events were watched for 3 s." in run("tasks", "--observe", "3").err


def test_workers_that_name_no_result_backend_are_believed(engine, run):
    engine.all_workers[0].registered = 3
    assert "The workers name no result backend. Set result_backend in the Celery app" in run("tasks").err
    assert "Not seen" not in run("tasks", "--backend", "redis://db/1").err
    engine.conf = {"result_backend": "redis://db/0"}
    assert "Not seen" not in run("tasks").err
    engine.all_workers[0].registered, engine.conf = None, {}
    assert "Not seen" not in run("tasks").err, "nothing was told yet"


def test_a_state_that_was_found_by_looking_has_no_exact_age(engine, run):
    engine.first_seen = NOW - 70
    for state in ("waiting", "unknown"):
        for task in engine.all_tasks:
            task.state = state
        assert ">1m01s" in run("tasks").out
    engine.first_seen = NOW - 10
    assert ">1m01s" not in run("tasks").out
    for task in engine.all_tasks:
        task.state = "started"  # The result backend does not tell since when.
    assert ">1m01s" in run("tasks").out
    for task in engine.all_tasks:
        task.started = NOW - 61
    assert ">1m01s" not in run("tasks").out


def test_doubts_are_told_in_words(engine, run):
    engine.all_tasks[0].marks = ["ended-unseen", "a-new-one"]
    assert run("task", "id-0").err.startswith("It ended, and nothing told how.\nA new one.\n")


def test_a_task_that_is_not_found_ends_with_what_could_not_be_seen(engine, run):
    engine.sources = [SourceHealth(name="results", state="off", reason="No backend.")]
    ran = run("task", "nowhere")
    assert (ran.code, ran.out) == (1, "")
    assert "No backend. Set result_backend in the Celery app" in ran.err
    assert ran.err.splitlines()[-2:] == ["Error: No task nowhere is known.", "Look elsewhere."]


def test_a_queue_that_workers_have_emptied_is_not_called_idle(engine, run):
    engine.messages, engine.all_queues[0].unacked = [], 4
    assert (
        "celery is empty. Known queues: celery. Workers hold 4 of its messages" in run("peek", "celery").err
    )
    assert "no such queue is known. Known queues: celery." in run("peek", "cellery").err


def test_tasks_are_asked_as_said(engine, run):
    ran = run(
        "tasks",
        "state:failure",
        "since:1h",
        "--limit",
        "2",
        "--sort",
        "runtime",
        "--reverse",
        "--observe",
        "3",
    )
    query = engine.asked["tasks"]
    assert (query.filter, query.sort, query.reverse) == ("state:failure since:1h", "runtime", True)
    assert engine.asked["ready"][1] == 3.0
    assert len(ran.out.splitlines()) == 3
    assert "Showing 2 of 3." in ran.err


@pytest.mark.parametrize(
    ("args", "filter"),
    [
        (["-queue:low"], "-queue:low"),
        (["boom", "-name:x*", "--limit", "5", "-kwargs.order.id:7"], "boom -name:x* -kwargs.order.id:7"),
        (["--", "-boom"], "-boom"),
    ],
)
def test_a_negated_condition_is_no_option(engine, run, args, filter):
    assert run("tasks", *args).code == 0
    assert engine.asked["tasks"].filter == filter


def test_a_negated_condition_may_follow_filter(engine, run):
    run("revoke", "--filter", "-queue:low", "--dry-run")
    assert engine.asked["order"].filter == "-queue:low"


def test_many_tasks_are_asked_in_pages(engine, run):
    engine.all_tasks = [Task(id=f"id-{n}") for n in range(2500)]
    assert len(run("tasks", "--json", "--limit", "2200").json) == 2200
    assert engine.asked["tasks"].limit == 200


def test_a_task_shows_values_with_their_sources_and_cuts(engine, run):
    engine.all_tasks[0] = Task(
        id="id-0",
        name="shop.charge",
        state="failure",
        args="(1, ...",
        runtime=0.5,
        truncated=["args"],
        sources={"args": "event"},
        traceback="Traceback:\n  boom",
        attempts=[Attempt(number=1, state="retry"), Attempt(number=2, state="failure")],
    )
    out = run("task", "id-0").out
    assert "shop.charge  id-0" in out
    assert "[event, cut at its source]" in out
    assert "    boom" in out
    assert "TRY" in out


def test_an_unknown_task_ends_with_1(engine, run):
    ran = run("task", "nope")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "Error: No task nope is known.\nLook elsewhere.\n"


@pytest.mark.parametrize(
    ("history", "told"),
    [
        (HistoryStatus(state="broken", reason="no."), "history  not known: it cannot be read"),
        (HistoryStatus(recorded=3), "history  3 tasks recorded\n"),
        (HistoryStatus(recorded=3, more_recorded=True), "history  more than 3 tasks recorded\n"),
        (HistoryStatus(recorded=3, unread=["x"]), "history  3 tasks recorded, not all of it can be read"),
    ],
)
def test_status_tells_of_the_history_what_is_known(engine, run, monkeypatch, history, told):
    overview = engine.overview

    async def with_history():
        found = await overview()
        found.history = history
        return found

    monkeypatch.setattr(engine, "overview", with_history)
    assert told in run("status").out


def test_status_tells_what_recorders_let_go(engine, run, monkeypatch):
    overview = engine.overview

    async def with_history():
        found = await overview()
        found.history = HistoryStatus(not_kept=NotKept(since=NOW - 3600, until=NOW, texts=2))
        return found

    monkeypatch.setattr(engine, "overview", with_history)
    assert "2 long texts let go under load." in run("status").err
    assert run("status", "--json").json["history"]["not_kept"]["texts"] == 2


def test_status_shows_notices(engine, run, monkeypatch):
    overview = engine.overview

    async def with_notice():
        found = await overview()
        found.notices = [
            Notice(code="x", severity="critical", title="Queue mail has no consumer", hint="Start one.")
        ]
        return found

    monkeypatch.setattr(engine, "overview", with_notice)
    assert "Queue mail has no consumer" in run("status").out


def test_a_message_that_cannot_be_decoded_says_so(engine, run):
    engine.messages = [Message(position=0, decoded=False, problem="pickle, not opened")]
    assert "pickle, not opened" in run("peek", "celery").out


def test_a_broker_that_cannot_be_reached_ends_with_3(engine, run):
    engine.fail_with(ConnectionProblem("db refused the connection.", "Is it running?"))
    ran = run("workers", "--json")
    assert (ran.code, ran.out) == (3, "")
    assert (
        ran.err == '{"error": "db refused the connection.", "hint": "Is it running?", "code": "connection"}\n'
    )
    assert engine.closed


def test_the_timeout_is_the_patience_of_everything(engine, run):
    engine.all_workers = []
    ran = run("workers", "--timeout", "0.5")
    assert engine.profile.timeout == 0.5
    assert engine.asked["ready"][0] == 2.0
    assert "within 0.5 s" in ran.err


def test_a_wide_table_is_cut_to_the_terminal_and_only_there(engine, run, monkeypatch):
    engine.all_workers = [Worker(name="w" * 60, queues=["q" * 200])]
    assert "q" * 200 in run("workers").out
    monkeypatch.setattr("lazycelery.cli.output.Output.width", 100)
    lines = run("workers").out.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert "…" in lines[1]
