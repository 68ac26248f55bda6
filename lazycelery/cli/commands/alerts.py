"""`lazycelery alerts list|test`: where findings are told."""

from __future__ import annotations

import time

import click

from lazycelery.cli.options import common, said
from lazycelery.cli.session import make_output, of_profile
from lazycelery.cli.table import Column
from lazycelery.cli.words import ago, names, number


@click.group()
@common
def alerts() -> None:
    """Where findings are told: list the targets, test one."""


@alerts.command("list")
@common
@click.pass_context
def list_(ctx: click.Context) -> int:
    """Targets of the profile, and what waits to be delivered. Ends with 1 when there is none."""
    from lazycelery.engine.alerting import status

    output, settings = of_profile(ctx)
    found = status(settings.profile)
    if output.as_json:
        output.json(found)
    else:
        columns = [
            Column("NAME"),
            Column("TO", flexible=True, least=20),
            Column("LEAST"),
            Column("CODES", flexible=True, least=10),
            Column("WAITING", right=True),
            Column("OLDEST", right=True),
        ]
        now = time.time()
        rows = [
            (one.name, one.place, one.least, names(one.codes), number(one.waiting), ago(one.oldest, now))
            for one in found
        ]
        output.table(columns, rows)
    if not found:
        output.note(
            f"The profile {settings.profile.name} tells nobody: [[profiles.NAME.alerts]] names targets."
        )
    return 0 if found else 1


@alerts.command()
@common
@click.argument("name")
@click.pass_context
def test(ctx: click.Context, name: str) -> int:
    """Send a test to the target NAME, once. Ends with 1 when it was not taken."""
    from lazycelery.config import load
    from lazycelery.engine.alerting import send_test

    words = said(ctx)
    output = make_output(words)
    settings = load(words.config_options(), fetch_secrets=False)
    done = send_test(settings.profile, name)
    if output.as_json:
        output.json({"name": name, "taken": True})
    else:
        output.line(done)
    return 0
