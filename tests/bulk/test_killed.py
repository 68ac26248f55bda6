"""A bulk action is killed (SIGKILL) in the middle, and resumed: everything once, or told as in doubt."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from lazycelery.actions import journal
from lazycelery.actions.planfiles import bulk_of
from lazycelery.model.bulk import Bulk
from tests.bulk.conftest import BackendCli, Fail
from tests.moves.conftest import Ground

KINDS = ["redis", "classic", pytest.param("quorum", marks=pytest.mark.soak)]
pytestmark = [pytest.mark.broker, pytest.mark.parametrize("ground", KINDS, indirect=True)]
MANY = 300
PAGE = 16


def the_plan() -> Bulk:
    (path,) = journal.files()
    return bulk_of(path)


def retried(ground: Ground) -> list[str]:
    return [each["headers"]["lazycelery_retry_of"] for each in ground.take("box")]


def test_a_retry_that_was_killed_is_resumed(ground: Ground, cli: BackendCli, failures: Fail) -> None:
    ids = failures(MANY)
    cli.kill_when(lambda: ground.depth("box") >= 40, "retry", *ids, "--yes", "--rate", "300")
    one = the_plan()
    assert (one.state, one.total) == ("stopped", MANY)
    assert one.doubtful <= PAGE and one.done >= 40 - 2 * PAGE
    assert one.done + one.doubtful + one.waiting == MANY
    look = () if ground.free else ("--force",)
    code, out, err = cli.run("plan", "resume", one.id, "--yes", "--json", *look)
    outcome = json.loads(out)
    left = the_plan().doubtful
    assert code == (5 if left else 0), err
    # What nobody sees was not sent: nobody takes from this queue.
    if left:
        code, _, err = cli.run("plan", "resume", one.id, "--yes", "--doubtful", "send", *look)
        assert code == 0, err
    ground.settle("box", MANY)
    taken = retried(ground)
    assert Counter(taken) == Counter(ids), (one, outcome["proof"])
    assert taken == ids or left, "their order"
    assert the_plan().state == "done"


def test_ctrl_c_stops_in_between_and_tells_how_to_go_on(
    ground: Ground, cli: BackendCli, failures: Fail
) -> None:
    if ground.kind != "redis":
        return
    ids = failures(60)
    process = cli.start("retry", *ids, "--yes", "--rate", "20", "--json", "--tag", "night")
    deadline = time.monotonic() + 30
    while ground.depth("box") < 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    told = json.loads(out)
    assert b"Stopping after the page under way" in err
    assert 5 <= told["done"] < 60 and told["failed"] == 60 - told["done"]
    assert f"lazycelery plan resume {told['bulk']}" in told["proof"]
    one = the_plan()
    assert (one.why, one.tag, one.waiting) == ("stopped by hand", "night", told["failed"])
    code, _, err_text = cli.run("plan", "resume", told["bulk"], "--yes", "--rate", "1000")
    assert code == 0, err_text
    ground.settle("box", 60)
    assert retried(ground) == ids
