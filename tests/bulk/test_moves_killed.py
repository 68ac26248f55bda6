"""A move, deletion or requeue by a filter is killed (SIGKILL) in the middle, and its plan is resumed: no
message is lost, and none is doubled that RabbitMQ does not double."""

from __future__ import annotations

import json
import time

import pytest

from lazycelery.actions import journal
from lazycelery.actions.backup import BackupFile
from lazycelery.actions.planfiles import bulk_of
from lazycelery.model.bulk import Bulk
from tests.bulk.conftest import BackendCli
from tests.moves.conftest import Ground
from tests.moves.test_moving import named

SOAK = pytest.mark.soak
pytestmark = pytest.mark.broker
MANY, MATCH = 400, 200
WINDOW = 16
DIED = {"x-death": [{"queue": "other", "reason": "rejected", "count": 1}]}
EVEN, ODD = named(*range(0, MANY, 2)), named(*range(1, MANY, 2))
RUNS = [
    pytest.param("redis", "move"),
    pytest.param("redis", "delete", marks=SOAK),
    pytest.param("redis", "requeue", marks=SOAK),
    pytest.param("classic", "move"),
    pytest.param("classic", "delete", marks=SOAK),
    pytest.param("classic", "requeue", marks=SOAK),
    pytest.param("quorum", "move", marks=SOAK),
    pytest.param("quorum", "delete"),
    pytest.param("quorum", "requeue", marks=SOAK),
]


def the_plan() -> Bulk:
    (path,) = journal.files()
    return bulk_of(path, whole=True)


def by_number(ids: list[str]) -> list[str]:
    return sorted(ids, key=lambda id: int(id[1:]))


@pytest.mark.parametrize(("ground", "action"), RUNS, indirect=["ground"])
def test_what_was_killed_is_resumed(ground: Ground, cli: BackendCli, action: str) -> None:
    ground.fill("box", MANY, headers=DIED)
    force = () if ground.free else ("--force",)
    words = {"move": ("box", "other"), "delete": ("box",), "requeue": ("box",)}[action]
    command = (action, *words, "name:shop.even", "--yes", "--rate", "150", *force)
    cli.kill_when(_under_way, *command)
    one = the_plan()
    assert (one.state, one.total, one.action) == ("stopped", MATCH, action)
    assert one.done + one.doubtful + one.waiting == MATCH and one.done
    assert one.doubtful <= (38 if ground.free else WINDOW)
    total, held = _total(ground, action, one), ground.depth("other")
    assert MATCH - held >= one.waiting or action == "delete"
    assert total <= MANY + (0 if ground.free or action == "delete" else WINDOW)
    code, out, err = cli.run("plan", "resume", one.id, "--yes", "--json", "--rate", "5000", *force)
    told = json.loads(out)
    if code == 5:  # What is in doubt and not seen at its target: nobody takes from there, so it was not sent.
        assert not ground.free and action != "delete" and 0 < told["unknown"] <= WINDOW, err
        again = ("plan", "resume", one.id, "--yes", "--json", "--doubtful", "send", *force)
        code, out, err = cli.run(*again)
        told = json.loads(out)
    assert code == 0, (err, out)
    ground.settle("box", MANY - MATCH)
    ground.settle("other", 0 if action == "delete" else MATCH)
    assert the_plan().state == "done" and {item.state for item in the_plan().items} == {"done"}
    # All of it is in one backup, and comes back from it once.
    (file,) = ground.files()
    assert BackupFile(file).complete and BackupFile(file).total == MATCH
    moved = ground.ids("other") if action != "delete" else []
    assert by_number(moved) == (EVEN if moved else [])
    if action == "delete":
        assert cli.run("restore", str(file), "--yes")[0] == 0
        ground.settle("box", MANY)
        assert by_number(ground.ids("box")) == named(*range(MANY))
    else:
        assert by_number(ground.ids("box")) == ODD


def _under_way() -> bool:
    """At least two pages are done, and not all of it."""
    for path in journal.files():
        lines = path.read_bytes().splitlines()[1 + MATCH :]
        return sum(line.startswith(b'{"done"') for line in lines) >= 2
    return False


def _total(ground: Ground, action: str, one: Bulk) -> int:
    """Messages in both queues, once RabbitMQ has those back that the killed one held."""
    deadline = time.monotonic() + 10
    least = MANY - (one.done + one.doubtful if action == "delete" else 0)
    while (total := ground.depth("box") + ground.depth("other")) < least:
        assert time.monotonic() < deadline, f"{least - total} are lost"
        time.sleep(0.1)
    return total


@pytest.mark.parametrize("ground", ["redis", pytest.param("classic", marks=SOAK)], indirect=True)
def test_ctrl_c_stops_a_move_in_between_and_a_restore_ends_its_plan(ground: Ground, cli: BackendCli) -> None:
    ground.fill("box", 60)
    force = () if ground.free else ("--force",)
    process = cli.start("move", "box", "other", "name:*", "--yes", "--json", "--rate", "20", *force)
    deadline = time.monotonic() + 30
    while ground.depth("other") < 5:
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(2)
    out, err = process.communicate(timeout=60)
    told = json.loads(out)
    assert process.returncode == 5, err
    assert 5 <= told["done"] < 60 and told["done"] + told["failed"] == 60
    assert f"stopped: stopped by hand; the rest stays in plan {told['bulk']}" in told["proof"]
    assert len(told["items"]) == 60 and sum(item["ok"] for item in told["items"]) == told["done"]
    ground.settle("box", 60 - told["done"])
    assert cli.run("restore", told["backup"], "--yes")[0] == 0
    ground.settle("box", 60)
    assert (the_plan().state, the_plan().dropped) == ("done", 60 - told["done"])
    code, _, err_text = cli.run("plan", "resume", told["bulk"], "--yes", *force)
    assert code == 4 and "is done" in err_text
