"""Ctrl-C while something is being done: it is finished and told, or broken off and never called undone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lazycelery.cli import progress
from lazycelery.cli.output import Output
from lazycelery.errors import ConnectionProblem
from tests.cli.program import until
from tests.sources.conftest import task_message
from tests.support.broker import RedisServer
from tests.support.fleet import ROOT

MANY = 20_000
ALLOWED = ("--yes", "--allow", "retry")
BEGUN = "Finishing what was begun"


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_begun_is_finished_and_told(engine, run, monkeypatch, number):
    async def act(plan_id, word=None):
        interrupt(number)
        await asyncio.sleep(0.05)
        return engine.outcome

    monkeypatch.setattr(engine, "act", act)
    engine.outcome.undo = "lazycelery restore /b --allow restore"
    ran = run("retry", "id-0", *ALLOWED)
    assert (ran.code, "1 sent" in ran.out, "Undo: " in ran.out) == (0, True, True)
    assert BEGUN in ran.err


def test_a_second_ctrl_c_breaks_off(engine, run, monkeypatch):
    async def act(plan_id, word=None):
        loop = asyncio.get_running_loop()
        interrupt()
        loop.call_later(0.1, interrupt)
        await asyncio.sleep(30)

    monkeypatch.setattr(engine, "act", act)
    ran = run("retry", "id-0", *ALLOWED)
    assert (ran.code, ran.out) == (130, "")
    assert "Broken off" in ran.err
    assert "lazycelery audit" in ran.err
    assert engine.closed


def test_afterwards_ctrl_c_is_what_it_was(engine, run):
    before = signal.getsignal(signal.SIGINT)
    assert run("retry", "id-0", *ALLOWED).code == 0
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.broker
@pytest.mark.parametrize("action", ["purge", "restore"])
def test_a_long_action_on_a_real_queue_ends_whole(broker: RedisServer, tmp_path: Path, action: str) -> None:
    client, backup = broker.client(), tmp_path / "b.ndjson"
    pipe = client.pipeline()
    for number in range(MANY):
        pipe.lpush("q", task_message(f"id-{number}", ["x" * 300]))
    pipe.sadd("_kombu.binding.celery", "q\x06\x16\x06\x16q")
    pipe.execute()
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    program = [sys.executable, "-m", "lazycelery", "--broker", broker.url, "--allow", "all", "--timeout", "1"]
    purge = [*program, "purge", "q", "--yes", "--backup", str(backup)]
    restore = [*program, "restore", str(backup), "--yes"]
    if action == "restore":
        subprocess.run(purge, cwd=ROOT, env=env, check=True, capture_output=True)
    command = purge if action == "purge" else restore
    going = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(lambda: (client.llen("q") > 0) == (action == "restore"))
    going.send_signal(signal.SIGINT)
    out, err = going.communicate(timeout=60)
    assert (going.returncode, BEGUN in err) == (0, True), err
    assert f"{MANY:,}" in out
    assert client.llen("q") == (0 if action == "purge" else MANY)
    assert ("Undo: lazycelery restore" in out) == (action == "purge")
    last = json.loads((tmp_path / "lazycelery" / "audit.ndjson").read_text().splitlines()[-1])
    assert (last["outcome"], last["plan"]["done"]) == ("done", MANY)


async def test_a_progress_that_cannot_be_asked_hides_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        async def progress(self) -> list[Any]:
            raise ConnectionProblem("The engine is gone.")

    monkeypatch.setattr(progress, "PACE", 0.0)
    async with progress.told(Broken(), Output()):  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
