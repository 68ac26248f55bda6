"""The program is killed (SIGKILL) in the middle: no message is lost, and the next start mends the rest."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.errors import NothingFound
from tests.moves.conftest import Ground, Hands, RedisGround
from tests.moves.test_moving import named
from tests.support.fleet import ROOT

KINDS = ["redis", pytest.param("classic", marks=pytest.mark.soak), "quorum"]
pytestmark = [pytest.mark.broker, pytest.mark.parametrize("ground", KINDS, indirect=True)]
MANY = 500
WINDOW = 16
"""Messages that RabbitMQ may have in both queues."""


class Cli:
    """The real program, on a ground's broker."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        profile = ground.profile()
        self.config = ground.directory / "config.toml"
        lines = ["[profiles.default]", f"broker = {json.dumps(profile.broker)}", 'allow = ["all"]']
        lines += [f"{name} = {json.dumps(getattr(profile, name))}" for name in ("audit_file", "backup_dir")]
        if profile.management:
            lines.append(f"management = {json.dumps(profile.management)}")
        self.config.write_text("\n".join(lines) + "\n")
        self.config.chmod(0o600)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "lazycelery", "--config", str(self.config), *words]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *words: str) -> tuple[int | None, str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        return process.returncode, out.decode(), err.decode()

    def kill_when(self, condition: Callable[[], bool], *words: str) -> None:
        """Start it, and kill it as soon as the condition holds."""
        process = self.start(*words)
        deadline = time.monotonic() + 60
        while not condition():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
        process.kill()
        process.communicate()
        assert process.returncode == -9, "it had ended before"


@pytest.fixture
def cli(ground: Ground) -> Cli:
    return Cli(ground)


async def notices(ground: Ground) -> list[Any]:
    engine = Engine(ground.profile())
    await engine.start()
    overview = await engine.ready(10)
    for _ in range(50):
        if found := [notice for notice in overview.notices if notice.code in ("cut-off", "plan-stopped")]:
            break
        overview = await engine.overview()
    await engine.close()
    return found


@pytest.mark.parametrize("action", ["move", pytest.param("requeue", marks=pytest.mark.soak)])
async def test_a_move_that_was_killed(ground: Ground, cli: Cli, action: str) -> None:
    died = {"x-death": [{"queue": "other", "reason": "rejected", "count": 1}]}
    ground.fill("box", MANY, headers=died)
    words = ("move", "box", "other") if action == "move" else ("requeue", "box")
    cli.kill_when(lambda: ground.depth("other") >= 50, *words, "--yes")
    ground_total(ground, MANY, 0 if ground.free else WINDOW)
    (part,) = ground.files()
    assert part.name.endswith(".part")
    (told,) = await notices(ground)
    planned = action == "requeue" and ground.free  # There it looks first, so it has a plan file.
    began = f"A requeue of {MANY} messages stopped after" if planned else f"A {action} of box was cut off"
    assert told.title.startswith(began) and str(part) in told.hint
    code, out, err = cli.run("restore", str(part), "--yes", "--json")
    assert code in (0, 5), err
    ground.settle("box", MANY)
    assert ground.depth("other") == 0
    assert sorted(ground.ids("box"), key=lambda id: int(id[1:])) == named(*range(MANY))
    assert await notices(ground) == []
    assert any(file.name.endswith(".mended") for file in ground.files())
    assert json.loads(out)["unknown"] == 0


def ground_total(ground: Ground, count: int, doubles: int) -> None:
    """What the killed one held comes back within a moment."""
    deadline = time.monotonic() + 10
    while (total := ground.depth("box") + ground.depth("other")) < count:
        assert time.monotonic() < deadline, f"{count - total} are lost"
        time.sleep(0.1)
    assert total <= count + doubles


async def test_a_deletion_that_was_killed(ground: Ground, cli: Cli) -> None:
    ground.fill("box", MANY)
    force = () if ground.free else ("--force",)
    saved = ground.directory / "backups"
    cli.kill_when(lambda: lines_of(saved) > 40, "delete", "box", "name:shop.*", "--yes", *force)
    (part,) = ground.files()
    (told,) = await notices(ground)
    assert told.title.startswith(f"A delete of {MANY} messages stopped after") and str(part) in told.hint
    time.sleep(0.5)
    left = ground.depth("box")
    code, out, err = cli.run("restore", str(part), "--yes", "--json")
    assert code == 0, err
    assert json.loads(out)["done"] == MANY - left
    ground.settle("box", MANY)
    assert sorted(ground.ids("box"), key=lambda id: int(id[1:])) == named(*range(MANY))
    assert await notices(ground) == []


def lines_of(directory: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in directory.glob("*.part"))


async def test_a_restore_of_orphans_that_was_killed(ground: Ground, cli: Cli) -> None:
    if not isinstance(ground, RedisGround):
        return  # RabbitMQ leaves none behind.
    ground.fill("box", MANY)
    client = ground.client
    for number, raw in enumerate(ground.raw("box")):
        client.hset("unacked", f"tag{number}", json.dumps([json.loads(raw), "", "box"]))
        client.zadd("unacked_index", {f"tag{number}": time.time() - 60 + number / 1000})
    client.delete("box")

    def some() -> bool:
        return int(client.llen("box")) >= 50  # type: ignore[arg-type]

    cli.kill_when(some, "restore", "--orphans", "--yes")
    assert client.llen("box") + client.hlen("unacked") == MANY  # type: ignore[operator]
    code, _, err = cli.run("restore", "--orphans", "--yes", "--json")
    assert code == 0, err
    assert client.hlen("unacked") == 0 == client.zcard("unacked_index")
    assert sorted(ground.ids("box"), key=lambda id: int(id[1:])) == named(*range(MANY))
    engine = Engine(ground.profile())
    await engine.start()
    await engine.ready(10)
    with pytest.raises(NothingFound, match="No message is unacknowledged"):
        await Hands(engine).plan("restore", orphans=True)
    await engine.close()


async def test_an_export_tells_how_far_it_is(
    ground: Ground, cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lazycelery.cli import progress
    from lazycelery.cli.output import Output

    monkeypatch.setattr(progress, "PACE", 0.05)
    part = ground.directory / "out.ndjson.part"
    async with progress.growing(ground.directory / "out.ndjson", Output()):
        part.write_bytes(b"x" * 2048)
        await asyncio.sleep(0.3)
    assert capsys.readouterr().err.count("written") == 1
    ground.fill("box", 3)
    force = () if ground.free else ("--force",)
    code, _, err = cli.run("export", "box", str(ground.directory / "file"), *force)
    assert code == 0 and (ground.directory / "file").exists(), err
    assert ground.depth("box") == 3
