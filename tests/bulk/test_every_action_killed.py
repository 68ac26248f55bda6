"""No action is left out: each has a test that kills it in the middle, or a reason why there is no middle."""

from __future__ import annotations

import re

from tests.matrix.deeds import EVERY
from tests.support.fleet import ROOT

BULK, MOVES = "tests/bulk/", "tests/moves/"
TOLD = (BULK + "test_workers_killed.py", "test_what_is_told_to_many_workers")
BEAT = (BULK + "test_workers_killed.py", "test_switches_of_beat")
RETRY = (BULK + "test_killed.py", "test_a_retry_that_was_killed_is_resumed")
REVOKE = (BULK + "test_others_killed.py", "test_a_revoke_of_many")
TERMINATE = (BULK + "test_workers_killed.py", "test_terminate_of_many")
FILTERED = (BULK + "test_moves_killed.py", "test_what_was_killed_is_resumed")
WHOLE = (BULK + "test_whole_killed.py", "test_all_of_a_queue")
CANVAS = BULK + "test_canvases_killed.py"
KILLED: dict[str, tuple[str, str]] = {
    "retry": RETRY,
    "retry --filter": RETRY,
    "revoke": REVOKE,
    "revoke --filter": REVOKE,
    "revoke --canvas": (CANVAS, "test_a_revoke"),
    "terminate": TERMINATE,
    "terminate --filter": TERMINATE,
    "purge": WHOLE,
    "move": WHOLE,
    "move FILTER": FILTERED,
    "delete": FILTERED,
    "requeue": WHOLE,
    "requeue FILTER": FILTERED,
    "restore": (BULK + "test_others_killed.py", "test_a_restore"),
    "restore --orphans": (MOVES + "test_killed.py", "test_a_restore_of_orphans_that_was_killed"),
    "events": TOLD,
    "pool": TOLD,
    "pool size": TOLD,
    "consumers": TOLD,
    "consumers cancel": TOLD,
    "consumers hold": (BULK + "test_others_killed.py", "test_a_hold"),
    "consumers resume": TOLD,
    "limits": TOLD,
    "limits time": TOLD,
    "shutdown": TOLD,
    "beat": BEAT,
    "beat enable": BEAT,
}
"""Of each action, and each other way to give it, the test that kills it."""
NO_MIDDLE: dict[str, str] = {
    "export": "it takes nothing: a file that was not finished keeps another name, and it is begun anew",
    "send": "one message: it is there, or it is not",
    "send --from": "one message: it is there, or it is not",
    "beat run": "one message: it is there, or it is not",
    "revoke --stamp": "one command to each worker, and telling twice does no harm",
    "terminate --canvas": "a revoke, then signals: both are killed by themselves",
    "pool shrink": "the same commands as pool size, and the audit log's line names each size before",
    "pool autoscale": "one value for each worker, as pool size: given again it does the rest",
    "pool restart": "its processes are replaced one by one by the worker itself",
    "consumers turn": "a hold or a resume, whichever is due",
    "service": "a command of the profile, for one worker",
    "service restart": "a command of the profile, for one worker",
    "rule": "one task at a time; the audit log tells what became of one that was being retried",
}
"""Why nothing can be killed half-way."""
UNTESTED: dict[str, str] = {
    "retry --canvas": "nothing kills it yet: a one-shot command must have seen the messages first",
}
"""What is missing."""


def test_every_action_is_killed_or_has_no_middle() -> None:
    assert {*KILLED} | {*NO_MIDDLE} | {*UNTESTED} == {*EVERY}, (
        "a new action needs a test that kills it, or a reason"
    )
    assert not {*KILLED} & {*NO_MIDDLE}


def test_the_tests_are_there() -> None:
    for path, name in {*KILLED.values()}:
        _, found, after = (ROOT / path).read_text(encoding="utf-8").partition(f"def {name}(")
        words = re.split(r"\n(?:@|class |async def test|def test)", after)[0]
        assert found and "kill" in words, f"{name} kills nothing"
