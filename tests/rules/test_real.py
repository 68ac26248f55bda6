"""Rules on a real worker: retried with back-off, mended or set aside, stopped, never doubled."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.engine.rule_book import RuleBook
from lazycelery.engine.rules import directory
from lazycelery.model.action import AuditEntry, Order
from lazycelery.model.alert import Turn
from lazycelery.model.profile import Profile
from lazycelery.model.rule import Rule, Run
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
ALLOW = ["retry", "export"]
Start = Callable[..., CeleryWorker]


class Watcher:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def says(self, text: str, seconds: float = 40) -> list[str]:
        deadline = time.monotonic() + seconds
        while True:
            lines = await self.lines()
            if any(text in line for line in lines):
                return lines
            assert time.monotonic() < deadline, lines
            await asyncio.sleep(0.1)

    async def lines(self) -> list[str]:
        turns: list[Turn] = (await self.engine.turns(0, 0.0)).turns
        return [turn.text for turn in turns if turn.kind == "remark"]


@asynccontextmanager
async def watcher(broker: str, *rules: Rule, **profile: Any) -> AsyncIterator[Watcher]:
    settings = {
        "allow": ALLOW,
        "control_refresh": 1.0,
        "timeout": 1.0,
        "refresh": 0.5,
        "history": False,
        **profile,
    }
    engine = Engine(Profile(broker=broker, rules=list(rules), alerting=True, **settings))  # type: ignore[arg-type]
    await engine.start()
    try:
        await engine.ready(15)
        one = Watcher(engine)
        await one.says("; dry runs" if profile.get("owner", True) else "")
        yield one
    finally:
        await engine.close()


def rule(**own: Any) -> Rule:
    base = {"name": "r", "task": "shop.*", "backoff": 0.1, "retries": 2, "apply": True, "within": 60.0}
    return Rule(**{**base, **own})


@pytest.fixture(scope="module")
def fleet(shared_broker: RedisServer) -> Iterator[RedisServer]:
    """A worker with extended results: the arguments of what failed are known."""
    one = CeleryWorker(shared_broker.url, "w1", env={"TEST_EXTENDED": "1"}).start(60)
    yield shared_broker
    one.kill()


async def test_a_failure_that_a_retry_mends_is_retried_until_it_is(
    fleet: RedisServer, tmp_path: Path
) -> None:
    file = tmp_path / "there"
    async with watcher(fleet.url, rule(retries=50, give_up=50)) as one:
        first = send(fleet.url, "shop.until_file", str(file), backend=fleet.url)
        await one.says("retried: retry 1 task")
        file.touch()
        book = RuleBook(directory(Profile(broker=fleet.url)) / "rules.sqlite3")
        deadline = time.monotonic() + 40
        while (run := book.of(first)) is None or run.state != "mended":
            assert time.monotonic() < deadline, run
            await asyncio.sleep(0.1)
        assert run.tries >= 1 and run.last != first
        entries: list[AuditEntry] = await one.engine.audit(100)
        assert [entry.plan["rule"] for entry in entries if entry.action == "rule"] == ["r"] * run.tries
        assert len([entry for entry in entries if entry.action == "retry"]) == run.tries
        await asyncio.sleep(1.0)
        assert book.of(first) == run, "and no more"


async def test_what_fails_again_is_set_aside_and_restore_sends_it(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    one_worker = worker("w1", env={"TEST_EXTENDED": "1"})
    backups = tmp_path / "backups"
    async with watcher(
        broker.url, rule(), backup_dir=str(backups), allow=[*ALLOW, "restore"], may_unlock=[]
    ) as one:
        first = send(broker.url, "shop.charge", 17, backend=broker.url)
        lines = await one.says("aside: set 1 task aside")
        assert sum("retried: " in line for line in lines) == 2
        assert all(first[:8] in line for line in lines if line.startswith("Rule r: "))
        [file] = backups.glob("*-aside.ndjson")
        header, message, _ = [json.loads(line) for line in file.read_text().splitlines()]
        assert (header["action"], message["task"], message["queue"]) == ("aside", "shop.charge", "celery")
        assert file.stat().st_mode & 0o777 == 0o600
        one_worker.stop()
        plan = await one.engine.plan(Order(action="restore", targets=[str(file)]))
        assert not plan.refused and plan.count == 1
        await one.engine.act(plan.id, plan.word)
        [waiting] = (await one.engine.peek("celery")).messages
        assert waiting.task == "shop.charge" and waiting.args == [17]


async def test_a_dry_run_only_tells_also_without_permission(fleet: RedisServer) -> None:
    async with watcher(fleet.url, rule(apply=False), allow=[]) as one:
        send(fleet.url, "shop.charge", 1, backend=fleet.url)
        lines = await one.says("would retry 1 task")
        assert 'it would need allow = ["retry"]' in "".join(lines)
        await asyncio.sleep(1.0)
        assert not [entry for entry in await one.engine.audit(50) if entry.action == "retry"]


async def test_without_the_permission_nothing_is_done(fleet: RedisServer) -> None:
    async with watcher(fleet.url, rule(), allow=[]) as one:
        send(fleet.url, "shop.charge", 1, backend=fleet.url)
        await one.says("left: Read-only")
        assert not [entry for entry in await one.engine.audit(50) if entry.action == "retry"]


async def test_what_cannot_be_rebuilt_is_never_retried(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    async with watcher(broker.url, rule()) as one:
        send(broker.url, "shop.charge", "x" * 3000, backend=broker.url)
        await one.says("left: unsafe")
        assert not [entry for entry in await one.engine.audit(50) if entry.action == "retry"]


async def test_a_rule_that_does_too_much_stops_and_goes_on_after_a_reset(fleet: RedisServer) -> None:
    from lazycelery.engine.rule_status import reset

    async with watcher(fleet.url, rule(most=3, retries=0, aside=False)) as one:
        for number in range(6):
            send(fleet.url, "shop.charge", number, backend=fleet.url)
        await one.says("stopped itself: more than 3 decisions in a minute")
        await asyncio.sleep(1.0)
        assert sum(" left: " in line for line in await one.lines()) == 3, "the others are due still"
        assert [e.outcome for e in await one.engine.audit(50) if e.action == "rule"][:1] == ["stopped"]
        reset(Profile(broker=fleet.url, rules=[rule()]), "r")
        await one.says("Rule r goes on.")
        deadline = time.monotonic() + 20
        while sum(" left: " in line for line in await one.lines()) < 6:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)


async def test_two_processes_do_not_double_a_retry(fleet: RedisServer, tmp_path: Path) -> None:
    file = tmp_path / "there"
    profile = {"name": "other"}  # The same cluster under another name has the same rule book.
    async with watcher(fleet.url, rule(retries=1, aside=False)) as one:
        second = Engine(
            Profile(
                broker=fleet.url,
                rules=[rule(retries=1, aside=False)],
                alerting=True,
                allow=ALLOW,
                history=False,
                **profile,
            )  # type: ignore[arg-type]
        )
        await second.start()
        try:
            await Watcher(second).says("are evaluated by ")
            ids = [send(fleet.url, "shop.until_file", str(file), backend=fleet.url) for _ in range(5)]
            deadline = time.monotonic() + 60
            while True:
                entries = [e for e in await one.engine.audit(200) if e.action == "retry"]
                if len(entries) >= 5:
                    break
                assert time.monotonic() < deadline, await one.lines()
                await asyncio.sleep(0.2)
            await asyncio.sleep(1.5)
            entries = [e for e in await one.engine.audit(200) if e.action == "retry"]
            assert sorted(target for e in entries for target in e.targets) == sorted(ids)
            assert not any(line.startswith("Rule r: ") for line in await Watcher(second).lines())
        finally:
            await second.close()


async def test_after_a_crash_the_audit_log_tells_what_was_retried(broker: RedisServer) -> None:
    """A run that was under way: retried and logged, begun without an end, never begun."""
    profile = Profile(
        broker=broker.url, rules=[rule(backoff=600.0)], alerting=True, allow=ALLOW, history=False
    )
    book, now = RuleBook(directory(profile) / "rules.sqlite3"), time.time()
    for id in ("done", "begun", "never"):
        book.put(
            Run(root=id, last=id, rule="r", name="shop.a", error="E", state="trying", at=now, due=now + 600)
        )
    engine = Engine(profile)

    def entry(target: str, outcome: str, **plan: Any) -> AuditEntry:
        return AuditEntry(
            time=now + 1,
            user="u",
            host="h",
            profile="default",
            broker=broker.url,
            action="retry",
            title="t",
            targets=[target],
            plan={"id": target, **plan},
            outcome=outcome,
        )

    engine._parts.audit.append(entry("done", "intent"))
    engine._parts.audit.append(entry("done", "done", done=1, new_ids={"done": "new-1"}))
    engine._parts.audit.append(entry("begun", "intent"))
    await engine.start()
    try:
        await Watcher(engine).says("look before you do")
        deadline = time.monotonic() + 10
        while (never := book.of("never")) is None or never.state != "due":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        done, begun = book.of("done"), book.of("begun")
        assert done and (done.state, done.last, done.tries) == ("retried", "new-1", 1)
        assert begun and begun.state == "doubt"
    finally:
        await engine.close()
