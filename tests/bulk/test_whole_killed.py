"""A move, requeue or purge of all of a queue is killed (SIGKILL) at some moment, and gone on with: no message
is lost, and none is doubled."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from lazycelery.actions.backup import BackupFile
from tests.bulk.conftest import BackendCli
from tests.moves.conftest import Ground
from tests.moves.test_moving import named

pytestmark = pytest.mark.broker
WINDOW = 16
DIED = {"x-death": [{"queue": "other", "reason": "rejected", "count": 1}]}
SOAK = partial(pytest.param, marks=pytest.mark.soak)
RUNS = [
    pytest.param("redis", "move"),
    pytest.param("redis", "purge"),
    SOAK("classic", "move"),
    SOAK("classic", "requeue"),
    SOAK("classic", "purge"),
    SOAK("quorum", "move"),
    SOAK("quorum", "purge"),
]


@pytest.mark.parametrize(("ground", "action"), RUNS, indirect=["ground"])
def test_all_of_a_queue(ground: Ground, cli: BackendCli, action: str) -> None:
    many = 6000 if ground.free else 600  # Redis moves 500 at once, in milliseconds.
    ground.fill("box", many, headers=DIED)
    words = {"move": ("box", "other"), "requeue": ("box",), "purge": ("box",)}[action]
    saved = random.Random(time.time_ns()).randint(1, many // 2)
    cli.kill_when(lambda: lines(ground) > saved, action, *words, "--yes")
    time.sleep(1)  # RabbitMQ has back what the killed one held.
    code, out, _ = cli.run("plan", "list", "--json")
    (one,) = json.loads(out)
    assert (code, one["state"], one["action"]) == (0, "cut off", action)
    title = {"move": "Move all of box to other", "requeue": "Requeue all of box", "purge": "Purge all of box"}
    assert one["title"] == title[action]
    code, out, _ = cli.run("status", "--json")
    (hint,) = (each["hint"] for each in json.loads(out)["notices"] if each["code"] == "cut-off")
    assert f"lazycelery plan resume {one['id']}" in hint
    look = () if ground.free else ("--force",)
    assert cli.run("plan", "discard", one["id"], "--yes")[0] == 4
    code, out, err = cli.run("plan", "resume", one["id"], "--yes", "--json", *look)
    unsure = json.loads(out)["unknown"]
    assert code == (5 if unsure else 0), (err, out)
    if unsure:  # Saved, and seen nowhere but here: nobody knows whether they were at their target.
        assert not ground.free and action != "purge" and unsure <= WINDOW
        ground.settle("box", unsure)
        assert cli.run(action, *words, "--yes")[0] == 0
    ground.settle("box", 0)
    if action == "purge":
        found = Counter(id for file in ground.files() for id in ids_of(file))
        assert all(BackupFile(file).complete for file in ground.files() if file.suffix == ".ndjson")
    else:
        ground.settle("other", many)
        found = Counter(ground.ids("other"))
    assert found == Counter(named(*range(many)))
    assert cli.run("plan", "list")[0] == 1


def lines(ground: Ground) -> int:
    return sum(file.read_bytes().count(b"\n") for file in ground.files() if file.suffix == ".part")


def ids_of(file: Path) -> list[str]:
    """Those that it would put back; a file that was mended is nothing to restore."""
    if file.suffix != ".ndjson":
        return []
    return [json.loads(each.raw)["headers"]["id"] for page in BackupFile(file).pages() for each in page]
