from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lazycelery.actions import audit as audit_module
from lazycelery.actions.audit import AuditLog, whoami
from lazycelery.errors import Refused, UsageError
from lazycelery.model.action import AuditEntry, Order
from lazycelery.model.profile import Profile
from tests.actions.fakes import Room


def entry(title: str, **fields: object) -> AuditEntry:
    given = {
        "time": 1.0,
        "user": "ada",
        "host": "h",
        "profile": "p",
        "broker": "redis://b",
        "action": "retry",
        "targets": [],
    }
    return AuditEntry(**{**given, "title": title, **fields})  # type: ignore[arg-type]


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(Profile(audit_file=str(tmp_path / "state" / "deep" / "audit.ndjson")))


def test_the_log_is_private_and_so_are_its_new_directories(log: AuditLog) -> None:
    log.append(entry("one"))
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(log.path.parent.parent.stat().st_mode) == 0o700


def test_entries_come_newest_first_across_pages(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "BLOCK", 37)
    for number in range(50):
        log.append(entry(f"n{number}"))
    assert [each.title for each in log.read(3)] == ["n49", "n48", "n47"]
    assert [each.title for each in log.read(100)] == [f"n{number}" for number in reversed(range(50))]


def test_only_the_end_of_a_long_log_is_read(log: AuditLog) -> None:
    log.path.parent.mkdir(parents=True)
    log.path.write_bytes(b"x" * 1_000_000 + b"\n")
    log.append(entry("last"))
    entries = log.entries()
    assert next(entries).title == "last"


def test_words_and_fields_filter(log: AuditLog) -> None:
    log.append(entry("Retry 1 task", targets=["9f3c"]))
    log.append(entry("Purge default", action="purge", user="bob"))
    assert [each.title for each in log.read(filter="action:purge bob")] == ["Purge default"]
    assert [each.title for each in log.read(filter="target:9F3")] == ["Retry 1 task"]
    assert log.read(filter="user:eve") == []
    with pytest.raises(UsageError, match="colour"):
        log.read(filter="colour:red")


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("origin:10.0.0.7", ["near"]),
        ("-origin:10.0.0.7", ["now", "old"]),
        ("host:db2", ["old"]),
        ("-user:ada", ["near"]),
        ("-purge", ["now", "near"]),
        ("since:1h", ["now", "near"]),
        ("until:1h", ["old"]),
        ("-since:1h", ["old"]),
        ("-until:1h", ["now", "near"]),
        ("since:3h until:1h", ["old"]),
        ("since:1h user:bob", ["near"]),
        ("since:2026-01-01T00:00Z until:2030-01-01", ["now", "near", "old"]),
        ("until:2020-01-01", []),
        ("ok:false", ["old"]),
    ],
)
def test_time_host_user_and_ssh_client_filter_also_negated(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, filter: str, found: list[str]
) -> None:
    now = 1_790_000_000.0
    monkeypatch.setattr(audit_module.time, "time", lambda: now)
    log.append(entry("old", time=now - 7200, host="db2", action="purge", ok=False))
    log.append(entry("near", time=now - 60, user="bob", origin="10.0.0.7"))
    log.append(entry("now", time=now))
    assert [each.title for each in log.read(filter=filter)] == found


@pytest.mark.parametrize("filter", ["since:tomorrow", "until:", "since:>1h"])
def test_what_is_no_time_is_told(log: AuditLog, filter: str) -> None:
    with pytest.raises(UsageError, match="time"):
        log.read(filter=filter)


def test_a_look_back_of_an_hour_reads_no_more_than_a_day_or_two(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks of several machines write one file: a line or two may be out of order."""
    now = 1_790_000_000.0
    monkeypatch.setattr(audit_module.time, "time", lambda: now)
    log.append(entry("long ago", time=now - 3 * 86_400))
    log.append(entry("ahead", time=now - 60))
    log.append(entry("yesterday", time=now - 80_000))
    log.append(entry("now", time=now))
    read: list[str] = []
    lines = log.entries
    monkeypatch.setattr(log, "entries", lambda: (read.append(e.title) or e for e in lines()))
    assert [each.title for each in log.read(filter="since:1h")] == ["now", "ahead"]
    log.append(entry("older", time=now - 4 * 86_400))
    read.clear()
    assert log.read(filter="since:1h") == [] and read == ["older"]


def test_a_torn_last_line_does_not_swallow_the_next_entry(log: AuditLog) -> None:
    log.append(entry("one"))
    with log.path.open("ab") as file:
        file.write(b'{"time": 3, "us')
    log.append(entry("two"))
    titles = [each.title for each in log.read()]
    assert titles[0] == "two"
    assert titles[2] == "one"
    assert "cannot be read" in titles[1]


def test_a_missing_log_is_empty(log: AuditLog) -> None:
    assert log.read() == []


def test_writers_of_two_processes_do_not_mix_lines(log: AuditLog) -> None:
    program = (
        "import sys; from tests.actions.test_audit import *;"
        "log = AuditLog(Profile(audit_file=sys.argv[1]));"
        "[log.append(entry(sys.argv[2] * 3000)) for _ in range(40)]"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(log.path), name]) for name in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert sorted(each.title[0] for each in log.read(1000)) == ["a"] * 40 + ["b"] * 40


async def test_an_unwritable_log_refuses_the_action(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.queues.add("default", "a")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    room.audit.path.mkdir()
    with pytest.raises(Refused, match="audit log") as refused:
        await room.actions.act(plan.id, "default")
    assert "unlogged" in refused.value.hint
    assert room.queues.ids("default") == ["a"]
    assert not (tmp_path / "backups").exists()


async def test_a_full_disk_refuses_the_action(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    room.queues.add("default", "a")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refused, match="No space left"):
        await room.actions.act(plan.id, "default")
    assert room.queues.ids("default") == ["a"]


async def test_a_line_is_there_before_the_action_and_one_after(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def purge(queue: str, save: object) -> object:
        seen.extend(each.outcome for each in room.audit.entries())
        raise Refused("The broker said no.")

    room.queues.add("default", "a")
    monkeypatch.setattr(room.queues, "purge", purge)
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    with pytest.raises(Refused, match="said no"):
        await room.actions.act(plan.id, "default")
    assert seen == ["intent"]
    after, before = room.audit.entries()
    assert (before.outcome, after.outcome, after.ok) == ("intent", "failed", False)
    assert after.proof == "The broker said no."
    assert before.plan["id"] == after.plan["id"] == plan.id


async def test_an_action_is_read_as_one_entry_its_outcome(room: Room) -> None:
    for queue in ("high", "low"):
        room.queues.add(queue, "a")
        plan = await room.actions.plan(Order(action="purge", targets=[queue]))
        await room.actions.act(plan.id, queue)
    assert [(each.targets, each.outcome, each.ok) for each in room.audit.read()] == [
        (["low"], "done", True),
        (["high"], "done", True),
    ]
    assert [each.outcome for each in room.audit.entries()] == ["done", "intent", "done", "intent"]


def test_what_began_and_has_no_outcome_is_shown_as_broken_off(log: AuditLog) -> None:
    log.append(entry("killed", outcome="intent", plan={"id": "p1"}))
    log.append(entry("well", outcome="intent", plan={"id": "p2"}))
    log.append(entry("well", outcome="done", plan={"id": "p2"}))
    well, killed = log.read()
    assert (well.title, well.outcome, well.ok) == ("well", "done", True)
    assert (killed.title, killed.outcome, killed.ok) == ("killed", "began, no outcome: broken off", False)
    assert [each.title for each in log.read(filter="outcome:broken")] == ["killed"]
    assert log.read(filter="outcome:intent") == []
    assert [each.title for each in log.read(limit=1)] == ["well"]


async def test_what_was_tried_and_refused_is_logged_beside_what_was_done_later(room: Room) -> None:
    room.queues.add("default", "a")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    with pytest.raises(Refused, match="Not confirmed"):
        await room.actions.act(plan.id, "yes")
    room.guard.lock()
    with pytest.raises(Refused, match="Read-only"):
        await room.actions.act(plan.id, "default")
    room.guard.unlock(["purge"])
    await room.actions.act(plan.id, "default")
    done, locked, wrong = room.audit.read()
    assert (done.outcome, done.ok) == ("done", True)
    assert (locked.outcome, locked.ok, locked.proof) == ("refused", False, "Read-only.")
    assert (wrong.outcome, wrong.ok, wrong.targets) == ("refused", False, ["default"])
    assert wrong.proof == "Not confirmed: Purge default: 1 message."


async def test_a_refused_restore_is_no_earlier_restore(room: Room) -> None:
    room.queues.add("default", "a")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    backup = (await room.actions.act(plan.id, "default")).backup
    refused = await room.actions.plan(Order(action="restore", targets=[str(backup)]))
    room.guard.lock()
    with pytest.raises(Refused):
        await room.actions.act(refused.id, refused.word)
    again = await room.actions.plan(Order(action="restore", targets=[str(backup)]))
    assert not any("restored before" in warning for warning in again.warnings)


async def test_an_unwritable_log_does_not_hide_why_it_was_refused(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.queues.add("default", "a")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    room.audit.path.mkdir()
    with pytest.raises(Refused, match="Not confirmed"):
        await room.actions.act(plan.id, "wrong")


async def test_no_credential_and_no_secret_argument_reaches_the_log(room: Room) -> None:
    room.store.add(
        id="a1b2c3d4",
        name="shop.charge",
        state="failure",
        queue="default",
        args=["tok"],
        kwargs={"password": "hunter3"},
        sources={"args": "control", "kwargs": "control"},
    )
    plan = await room.actions.plan(Order(action="retry", targets=["a1b2c3d4"]))
    await room.actions.act(plan.id)
    text = room.audit.path.read_text()
    assert "hunter" not in text
    assert "redis://ada:***@db1:6379/0" in text
    assert "hunter3" not in repr(plan)


def test_the_ssh_client_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CLIENT", raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.7 52000 10.0.0.1 22")
    assert whoami()[2] == "10.0.0.7"
    monkeypatch.delenv("SSH_CONNECTION")
    assert whoami()[2] is None


@pytest.mark.skipif(os.name == "nt", reason="users have no numbers")
def test_the_user_is_not_what_the_environment_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert whoami()[0] == pwd.getpwuid(os.getuid()).pw_name
