"""`lazycelery worker …`: what workers can be told, and how quickly they answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lazycelery.cli.acting import carry_out
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Column
from lazycelery.cli.words import UNKNOWN, duration, number, size

if TYPE_CHECKING:
    from lazycelery.model.action import ActionName

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group()
@common
def worker() -> None:
    """Tell workers something: their pool, queues, limits, events, end.

    `celery@` may be left out of a name. Each command shows its plan, asks, and proves what it did.
    """


def _acts(command: _F) -> _F:
    """Decorator: the options that all changing commands share."""
    for option in (
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Show the plan and do nothing."),
        common,
    ):
        command = option(command)
    return command


def _workers(required: bool) -> Callable[[_F], _F]:
    shown = "WORKER…" if required else "[WORKER…]"
    return click.argument("workers", nargs=-1, required=required, metavar=shown)


def _order(
    ctx: click.Context, action: ActionName, targets: tuple[str, ...], dry_run: bool, yes: bool, **params: Any
) -> int:
    from lazycelery.model.action import Order

    said = {name: value for name, value in params.items() if value is not None}
    order = Order(action=action, targets=list(targets), params=said)

    async def body(session: Session) -> int:
        return await carry_out(session, order, dry_run=dry_run, yes=yes)

    return one_shot(ctx, body)


# ---- events


@worker.command()
@click.argument("state", type=click.Choice(["on", "off"]))
@_workers(required=False)
@_acts
@click.pass_context
def events(ctx: click.Context, /, state: str, workers: tuple[str, ...], **asked: bool) -> int:
    """Task events on or off, until the worker ends. One that was started with -E cannot be silenced.

    \b
    lazycelery worker events on --allow events
    lazycelery worker events off w1@host --allow events
    """
    return _order(ctx, "events", workers, on=state == "on", stay=True, **asked)


# ---- pool


@worker.command()
@click.argument("how", type=click.Choice(["grow", "shrink", "size"]))
@click.argument("number", type=click.IntRange(1), metavar="N")
@_workers(required=True)
@_acts
@click.pass_context
def pool(ctx: click.Context, /, how: str, number: int, workers: tuple[str, ...], **asked: bool) -> int:
    """Make a pool larger or smaller by N processes, or N in all.

    A prefork worker does it within five seconds; the command waits for it.

    \b
    lazycelery worker pool grow 2 celery@web-1 --allow pool
    lazycelery worker pool size 8 web-1 web-2 --allow pool
    """
    return _order(ctx, "pool", workers, do=how, n=number, **asked)


@worker.command()
@click.argument("highest", type=click.IntRange(1), metavar="MAX")
@click.argument("lowest", type=click.IntRange(0), metavar="MIN")
@_workers(required=True)
@_acts
@click.pass_context
def autoscale(
    ctx: click.Context, /, highest: int, lowest: int, workers: tuple[str, ...], **asked: bool
) -> int:
    """Change the range of workers that were started with --autoscale."""
    return _order(ctx, "pool", workers, do="autoscale", max=highest, min=lowest, **asked)


@worker.command()
@_workers(required=True)
@_acts
@click.pass_context
def restart(ctx: click.Context, /, workers: tuple[str, ...], **asked: bool) -> int:
    """Replace the processes of a prefork pool (it needs worker_pool_restarts = True)."""
    return _order(ctx, "pool", workers, do="restart", **asked)


@worker.command()
@_workers(required=True)
@click.option("--cold", is_flag=True, help="Says why that cannot be sent, and what does it.")
@_acts
@click.pass_context
def shutdown(ctx: click.Context, /, workers: tuple[str, ...], cold: bool, **asked: bool) -> int:
    """Let the named workers end: they finish what they run first. Never all at once without names."""
    return _order(ctx, "shutdown", workers, cold=cold or None, **asked)


# ---- queues


@worker.command()
@click.argument("queue")
@_workers(required=True)
@_acts
@click.pass_context
def consume(ctx: click.Context, /, queue: str, workers: tuple[str, ...], **asked: bool) -> int:
    """Let workers consume a queue, declared as it is, until they restart."""
    return _order(ctx, "consumers", (queue,), do="add", workers=list(workers), **asked)


@worker.command()
@click.argument("queue")
@_workers(required=True)
@_acts
@click.pass_context
def cancel(ctx: click.Context, /, queue: str, workers: tuple[str, ...], **asked: bool) -> int:
    """Let workers consume a queue no more, until they restart."""
    return _order(ctx, "consumers", (queue,), do="cancel", workers=list(workers), **asked)


@worker.command()
@click.argument("queue")
@_workers(required=False)
@_acts
@click.pass_context
def hold(ctx: click.Context, /, queue: str, workers: tuple[str, ...], **asked: bool) -> int:
    """Hold a queue: its workers stop taking from it. Who they were is kept, for `resume`.

    \b
    lazycelery worker hold mail --allow consumers
    lazycelery worker resume mail --allow consumers
    """
    return _order(ctx, "consumers", (queue,), do="hold", workers=list(workers), **asked)


@worker.command()
@click.argument("queue")
@_workers(required=False)
@click.option("--forget", is_flag=True, help="Drop workers that are gone from the list.")
@_acts
@click.pass_context
def resume(ctx: click.Context, /, queue: str, workers: tuple[str, ...], forget: bool, **asked: bool) -> int:
    """Let the workers of a held queue consume it again, whoever held it."""
    return _order(
        ctx, "consumers", (queue,), do="resume", workers=list(workers), forget=forget or None, **asked
    )


# ---- limits


@worker.command("rate-limit")
@click.argument("task")
@click.argument("rate", metavar="RATE")
@_workers(required=False)
@_acts
@click.pass_context
def rate_limit(ctx: click.Context, /, task: str, rate: str, workers: tuple[str, ...], **asked: bool) -> int:
    """Limit a task to RATE at each worker: 10/s, 5/m, 100/h, or none. Without names, all that know it.

    \b
    lazycelery worker rate-limit shop.charge 10/m --allow limits
    """
    return _order(ctx, "limits", workers, do="rate", task=task, rate=rate, **asked)


@worker.command("time-limit")
@click.argument("task")
@_workers(required=False)
@click.option(
    "--soft", metavar="SECONDS", help="Raises SoftTimeLimitExceeded in the task; none takes it away."
)
@click.option("--hard", metavar="SECONDS", help="Ends its process; none takes it away.")
@_acts
@click.pass_context
def time_limit(
    ctx: click.Context,
    /,
    task: str,
    workers: tuple[str, ...],
    soft: str | None,
    hard: str | None,
    **asked: bool,
) -> int:
    """Limit the time of a task; the limit that is not given stays as it is.

    \b
    lazycelery worker time-limit shop.report --soft 50 --hard 60 --allow limits
    """
    return _order(ctx, "limits", workers, do="time", task=task, soft=soft, hard=hard, **asked)


# ---- ping

_PULSE = [
    Column("WORKER", flexible=True, least=16),
    Column("PING", right=True),
    Column("CLOCK", right=True),
    Column("MEMORY", right=True),
    Column("UP", right=True),
    Column("PID", right=True),
    Column("NOTE", optional=True),
]


@worker.command()
@_workers(required=False)
@common
@click.pass_context
def ping(ctx: click.Context, /, workers: tuple[str, ...]) -> int:
    """How quickly workers answer, with their logical clock and memory. Ends with 1 when one is silent."""

    async def body(session: Session) -> int:
        found, output = await session.engine.pulse(list(workers)), session.output
        if output.as_json:
            output.json(found)
        elif found:
            rows = [
                (
                    one.worker,
                    UNKNOWN if one.ping is None else f"{one.ping * 1000:.1f} ms",
                    number(one.clock),
                    size(one.memory),
                    duration(one.uptime),
                    number(one.pid).replace(",", ""),
                    one.why or "",
                )
                for one in found
            ]
            output.table(_PULSE, rows)
        return 0 if found and all(one.ping is not None for one in found) else 1

    return one_shot(ctx, body)


# ---- outside of Celery


@worker.command()
@click.argument("what", type=click.Choice(["start", "stop", "restart"]))
@click.argument("name", metavar="WORKER")
@_acts
@click.pass_context
def service(ctx: click.Context, /, what: str, name: str, **asked: bool) -> int:
    """Start, stop or restart a worker by the profile's command for it, here or over ssh.

    \b
    [[profiles.prod.workers]]
    name = "celery@web-1"
    host = "web-1"
    unit = "celery-web"
    """
    return _order(ctx, "service", (name,), do=what, **asked)


@worker.command()
@click.argument("name", metavar="WORKER")
@click.option("--lines", type=click.IntRange(1, 2000), default=200, show_default=True, help="To begin with.")
@click.option("--for", "seconds", type=click.FloatRange(0), help="Follow so long; by default until Ctrl-C.")
@common
@click.pass_context
def logs(ctx: click.Context, /, name: str, lines: int, seconds: float | None) -> int:
    """Follow a worker's log by the profile's command for it. Ends with 1 when the command failed at once."""

    async def body(session: Session) -> int:
        return await _follow(session, name, lines, seconds)

    return one_shot(ctx, body, connect=False)


async def _follow(session: Session, name: str, lines: int, seconds: float | None) -> int:
    import asyncio

    output, loop = session.output, asyncio.get_running_loop()
    ends = None if seconds is None else loop.time() + seconds
    seen: int | None = None
    while True:
        text = await session.engine.worker_log(name, 2000)
        total = text.dropped + len(text.lines)
        new = lines if seen is None else total - seen
        fresh = text.lines[-new:] if new else []
        for line in fresh:
            output.json({"worker": text.worker, "line": line}) if output.as_json else output.line(line)
        seen = total
        if not text.running:
            output.note(f"{text.command}: {text.why}")
            return 0 if total else 1
        if ends is not None and loop.time() >= ends:
            return 0
        await asyncio.sleep(0.3)
