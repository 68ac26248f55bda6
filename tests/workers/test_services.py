"""Commands of the profile: they start, stop, restart and follow real workers, here and over an `ssh`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazycelery.config import Options, load
from lazycelery.engine.engine import Engine
from lazycelery.errors import Refused, UsageError
from lazycelery.model.action import Order
from lazycelery.model.profile import Profile
from lazycelery.model.service import Service
from lazycelery.sources.services import SSH, Services, argv
from tests.actions.fakes import Room
from tests.actions.live import live
from tests.support.broker import RedisServer
from tests.support.fleet import ROOT, CeleryWorker
from tests.support.supervised import end_supervised, service_of
from tests.workers.conftest import W1


@pytest.fixture
def supervised(broker: RedisServer, tmp_path: Path) -> Iterator[Service]:
    """A worker in the hands of a little supervisor."""
    yield service_of(CeleryWorker(broker.url, "w1"), tmp_path)
    end_supervised(tmp_path)


@pytest.mark.broker
async def test_a_worker_is_started_followed_restarted_and_stopped(
    broker: RedisServer, supervised: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    async with live(broker.url, tmp_path, results=False, workers=[supervised]) as here:
        started = await here.do("service", "w1", do="start")
        assert started.done == 1 and started.proof.startswith(f"started: {W1}: it answers (pid ")
        refused = await here.actions.plan(Order(action="service", targets=[W1], params={"do": "start"}))
        assert refused.refused == "it runs already"
        services = Services([supervised])
        for _ in range(50):
            text = await services.log(W1, 100)
            if any("ready" in line for line in text.lines):
                break
            await asyncio.sleep(0.1)
        assert text.running and any(f"{W1} ready" in line for line in text.lines)
        await services.close()
        again = await here.do("service", W1, do="restart")
        assert again.done == 1 and again.proof.startswith(f"restarted: {W1}: it answers (pid ")
        assert again.proof.split("pid ")[1] != started.proof.split("pid ")[1]
        stopped = await here.do("service", W1, do="stop")
        assert stopped.proof == f"stopped: {W1}: it answers no more"
        assert next(entry.plan["command"] for entry in here.audit.entries() if entry.outcome == "done")


async def test_a_command_that_fails_is_told_with_its_words_and_nothing_harmful(tmp_path: Path) -> None:
    room = Room(
        tmp_path,
        workers=[Service(name="w9@a", start=["sh", "-c", "printf '\\033[31mno such unit\\n'; exit 5"])],
    )
    plan = await room.actions.plan(Order(action="service", targets=["w9"], params={"do": "start"}))
    assert plan.title == "Start w9@a here" and plan.level == "letter"
    outcome = await room.actions.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (0, 1)
    assert "the command ended with 5: " in outcome.proof and "no such unit" in outcome.proof
    assert "\x1b" not in outcome.proof


async def test_a_stop_is_typed_and_needs_its_permission(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    room = Room(tmp_path, allow=["pool"], workers=[Service(name="w1@a", stop=["touch", str(marker)])])
    plan = await room.actions.plan(Order(action="service", targets=["w1"], params={"do": "stop"}))
    assert (plan.level, plan.word) == ("typed", "w1@a") and (plan.refused or "").startswith(
        "Not permitted: service"
    )
    with pytest.raises(Refused, match="Not permitted: service"):
        await room.actions.act(plan.id, "w1@a")
    assert not marker.exists()


def test_over_ssh_the_command_is_one_word_and_no_host_is_an_option() -> None:
    service = Service(name="w1@a", host="ada@web-1", unit="celery web", logs="tail -F /var/log/x | grep -v y")
    assert argv(service, "restart") == [*SSH, "--", "ada@web-1", "systemctl restart 'celery web'"]
    assert argv(service, "logs")[-1] == "tail -F /var/log/x | grep -v y"
    with pytest.raises(UsageError, match="is no host"):
        argv(Service(name="w", host="-oProxyCommand=x", unit="u"), "start")
    with pytest.raises(Refused, match="says not how to stop w2"):
        argv(Service(name="w2", start="x"), "stop")


async def test_a_log_over_ssh_is_followed_bounded_redacted_and_given_up_when_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("lazycelery.sources.services.IDLE", 1.0)
    script = "seq 1 3000; echo password=hunter2; head -c 9000 /dev/zero | tr '\\0' x; echo; exec sleep 60"
    profile = Profile(
        broker="redis://localhost:1/0",
        audit_file=str(tmp_path / "audit"),
        workers=[Service(name="w1@a", host="web-1", logs=script)],
    )
    engine = Engine(profile)
    try:
        text = await engine.worker_log("w1", 3000)
        for _ in range(40):
            if text.dropped > 1002:
                break
            await asyncio.sleep(0.05)
            text = await engine.worker_log("w1", 3000)
        assert len(text.lines) == 2000 and text.dropped > 1000 and text.running
        assert not any("hunter2" in line for line in text.lines)
        assert max(map(len, text.lines)) <= 4000
        (followed,) = engine._services._followed.values()
        await asyncio.sleep(1.5)
        assert followed.over and followed._process.returncode is not None
    finally:
        await engine.close()


def test_the_configuration_takes_them_and_tells_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"

    def settings(text: str) -> Any:
        path.write_text('[profiles.a]\nbroker = "redis://a"\n[[profiles.a.workers]]\n' + text)
        return load(Options(config=str(path), profile="a"), {}).profile.workers

    assert settings('name = "w1@a"\nunit = "celery"\nstop = ["kill", "1"]') == [
        Service(name="w1@a", unit="celery", stop=["kill", "1"])
    ]
    for wrong, said in (
        ('unit = "celery"', "should be tables with a name"),
        ('name = "w"\nstrat = "x"', "should be tables with a name"),
        ('name = "w"\nhost = "-x"', "with a host that is one"),
        ('name = "w"\n[[profiles.a.workers]]\nname = "w"', "has several"),
    ):
        with pytest.raises(UsageError, match=said):
            settings(wrong)
