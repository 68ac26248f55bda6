"""`lazycelery send`: a new task by name, or an old one edited."""

from __future__ import annotations

from typing import Any

import click

from lazycelery.cli.acting import carry_out
from lazycelery.cli.options import common, not_empty
from lazycelery.cli.session import Session, one_shot
from lazycelery.errors import Refused, UsageError


@click.command()
@click.argument("name", metavar="TASK")
@click.option("--args", "args_", metavar="JSON", help="A list: '[1, 2]'.")
@click.option("--kwargs", metavar="JSON", help="""A table: '{"amount": 3}'.""")
@click.option("--queue", metavar="NAME", help="Its queue; needed where workers that know it consume several.")
@click.option("--priority", type=click.IntRange(0, 255))
@click.option(
    "--eta",
    metavar="WHEN",
    callback=not_empty,
    help="Seconds from now, or an ISO time (UTC without a zone).",
)
@click.option("--expires", metavar="WHEN", callback=not_empty, help="The same.")
@click.option("--edit", is_flag=True, help="Write it in $EDITOR first, as JSON or TOML.")
@click.option("--from", "old", metavar="ID", help="Begin with the arguments of this task; opens $EDITOR.")
@click.option("--force", is_flag=True, help="Also a task that no worker knows.")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@common
@click.pass_context
def send(ctx: click.Context, /, name: str, **given: Any) -> int:
    """Send a task as a new one, checked against what workers know.

    \b
    lazycelery send shop.charge --args '[42]' --allow send
    lazycelery send shop.charge --from 9f3c21ab --allow send     # retry, edited
    """

    async def body(session: Session) -> int:
        return await _send(session, name, given)

    return one_shot(ctx, body)


async def _send(session: Session, name: str, given: dict[str, Any]) -> int:
    from lazycelery.engine import form
    from lazycelery.model.action import Order

    values: dict[str, Any] = {
        key: given[key] for key in ("queue", "priority", "eta", "expires") if given[key] is not None
    }
    for key, text in (("args", given["args_"]), ("kwargs", given["kwargs"])):
        if text:
            values[key] = _json(text, key)
    old = given["old"]
    if old or given["edit"]:
        text = form.blank(name, **values)
        if old:
            old, text = await form.form_of(session.engine, old)
        values = form.read(_edited(text))
    params = {**values, **({"retry_of": old} if old else {}), **({"force": True} if given["force"] else {})}
    order = Order(action="send", targets=[str(params.pop("task", name))], params=params)
    return await carry_out(session, order, dry_run=given["dry_run"], yes=given["yes"])


def _json(text: str, what: str) -> Any:
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"--{what} is no JSON: {problem}.", 'For example [1, 2] or {"amount": 3}.') from None


def _edited(text: str) -> str:
    try:
        found = click.edit(text, extension=".json")
    except click.ClickException as problem:
        raise UsageError(f"The editor failed: {problem.message}", "Set $EDITOR.") from None
    if found is None:
        raise Refused("It was not saved; nothing was done.")
    return found
