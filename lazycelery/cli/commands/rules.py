"""`lazycelery rules list|reset`: what is done with failed tasks by itself."""

from __future__ import annotations

import click

from lazycelery.cli.options import common
from lazycelery.cli.session import of_profile
from lazycelery.cli.table import Cell, Column


@click.group()
@common
def rules() -> None:
    """Rules for failed tasks, which watch and serve evaluate: list them, let a stopped one go on."""


@rules.command("list")
@common
@click.pass_context
def list_(ctx: click.Context) -> int:
    """Rules of the profile, and what they did. Ends with 1 when there is none."""
    from lazycelery.engine.rule_status import status

    output, settings = of_profile(ctx)
    found = status(settings.profile)
    if output.as_json:
        output.json(found)
    else:
        columns = [
            Column("RULE"),
            Column("MODE"),
            Column("TASKS", flexible=True, least=20),
            Column("STOPPED"),
        ]
        rows = [
            (
                one.name,
                "applies" if one.apply else "dry run",
                ", ".join(f"{number} {state}" for state, number in one.runs.items()) or "none",
                Cell(one.why, "bad") if one.stopped is not None else "",
            )
            for one in found
        ]
        output.table(columns, rows)
        if found:
            turn = found[0].turn
            output.line(
                f"They are {turn}." if turn else "Nobody on this machine evaluates them: watch and serve do."
            )
    return 0 if found else 1


@rules.command()
@common
@click.argument("name")
@click.pass_context
def reset(ctx: click.Context, name: str) -> int:
    """Let the rule NAME go on after it stopped itself. Ends with 1 when it is not stopped."""
    from lazycelery.engine.rule_status import reset as go_on

    output, settings = of_profile(ctx)
    go_on(settings.profile, name)
    if output.as_json:
        output.json({"rule": name, "stopped": None})
    else:
        output.line(f"{name} goes on.")
    return 0
