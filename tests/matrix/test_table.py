"""No action and no broker is left out of the matrix, and the page tells what it holds."""

from __future__ import annotations

from typing import get_args

import click

from lazycelery.actions import consumers, hold, limits, pool, schedule, supervise
from lazycelery.actions.drafts import DRAFTS
from lazycelery.cli.root import root
from lazycelery.engine.engine import NEEDS
from lazycelery.model.action import ActionName
from lazycelery.sources.kombu.transports import TRANSPORTS
from tests.matrix.deeds import DEEDS, EVERY, WAYS, WHOLE
from tests.matrix.expected import (
    CANVAS,
    ELSEWHERE,
    ELSEWISE,
    INSTEAD,
    PLACES,
    POOLED,
    POOLS,
    REFUSED,
    UNABLE,
    pools,
    table,
)
from tests.support.fleet import ROOT


def test_every_action_and_every_transport_has_its_place() -> None:
    assert {*DEEDS} == {*get_args(ActionName)} == {*DRAFTS}
    assert {each.scheme for each in TRANSPORTS} == ({*PLACES} - {"redis", "classic", "quorum"}) | ELSEWHERE
    assert (*WHOLE,) == CANVAS
    assert {action for action, _ in REFUSED} <= {*DEEDS, *WHOLE} and {place for _, place in REFUSED} <= {
        *PLACES
    }
    assert {*NEEDS} <= {*DEEDS}


def test_the_table_of_the_docs_is_the_one_that_the_matrix_makes() -> None:
    page = (ROOT / "docs" / "brokers.md").read_text(encoding="utf-8")
    assert table() in page, "python -m tests.matrix.expected prints it"


def test_the_table_of_pools_is_the_one_that_the_matrix_makes() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert pools() in page, "python -m tests.matrix.expected prints it"


# ---- every way to give an order


DOES: dict[str, tuple[str, ...]] = {
    "pool": (*pool.DOES,),
    "consumers": (*consumers.DOES, *hold.DOES),
    "limits": limits.DOES,
    "service": supervise.DOES,
    "beat": schedule.DOES,
}
"""What is to be done, of actions that can be several things: the program's own tables."""
USUAL = {
    "pool grow": "pool",
    "consumers add": "consumers",
    "limits rate": "limits",
    "service start": "service",
    "service stop": "service",
    "beat disable": "beat",
}
"""Cells of the actions themselves."""
COMMANDS = {
    "retry": "retry",
    "send": "send",
    "revoke": "revoke",
    "terminate": "terminate",
    "purge": "purge",
    "move": "move",
    "delete": "delete",
    "requeue": "requeue",
    "export": "export",
    "restore": "restore",
    "plan discard": "",  # Of plan files: tests/bulk, tests/moves.
    "plan resume": "",
    "worker autoscale": "pool autoscale",
    "worker cancel": "consumers cancel",
    "worker consume": "consumers",
    "worker events": "events",
    "worker hold": "consumers hold",
    "worker pool": "pool",
    "worker rate-limit": "limits",
    "worker restart": "pool restart",
    "worker resume": "consumers resume",
    "worker service": "service",
    "worker shutdown": "shutdown",
    "worker time-limit": "limits time",
    "beat disable": "beat",
    "beat enable": "beat enable",
    "beat run": "beat run",
}
"""Commands that change something, and their cells."""
WHAT = ("--filter", "--canvas", "--stamp", "--orphans", "--from")
"""Options that say to what it is done: each is a cell of its own."""
HOW = {
    *("--dry-run", "--yes", "-y", "--force", "--look", "--limit", "--observe", "--rate", "--tag", "--backup"),
    *("--again", "--doubtful", "--signal", "--cold", "--forget", "--soft", "--hard", "--without-canvas"),
    *("--queue", "--priority", "--eta", "--expires", "--args", "--kwargs", "--edit"),
}
"""Options that say how, each tested where the action is."""


def acting() -> dict[str, click.Command]:
    """Commands that change something, as the command line itself tells."""
    found = {}
    waiting: list[tuple[str, click.Command]] = [("", root)]
    while waiting:
        path, command = waiting.pop()
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                waiting.append((f"{path} {name}".strip(), below))
        elif "--yes" in options(command) or path == "export":
            found[path] = command
    return found


def options(command: click.Command) -> set[str]:
    return {each for option in command.params if isinstance(option, click.Option) for each in option.opts}


def test_every_way_to_give_an_order_has_its_cell() -> None:
    ways = {f"{action} {do}" for action, does in DOES.items() for do in does}
    assert ways == {*USUAL} | {way for way in WAYS if way in ways}, ways - {*USUAL} - {*WAYS}
    assert {*USUAL.values()} <= {*DEEDS}
    assert {action for action, _ in {**UNABLE, **ELSEWISE, **INSTEAD}} <= {*EVERY}
    assert {pool for _, pool in {**UNABLE, **INSTEAD}} <= {*POOLS} and {*POOLED} <= {*PLACES}


def test_every_command_and_what_it_is_done_to_has_its_cell() -> None:
    commands = acting()
    assert {*commands} == {*COMMANDS}, "give each its cell"
    assert {cell for cell in COMMANDS.values() if cell} <= {*EVERY}
    shared = options(root.get_command(click.Context(root), "audit") or root)
    for name, command in commands.items():
        own = options(command) - shared
        assert own <= {*WHAT, *HOW}, "does it say what, or how?"
        assert all(f"{name} {option}" in EVERY for option in own & {*WHAT}), name
