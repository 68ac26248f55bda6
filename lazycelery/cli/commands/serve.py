"""`lazycelery serve`: the same as `watch` for a supervisor, of several profiles at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import click

from lazycelery.cli import several, watching
from lazycelery.cli.options import common, said
from lazycelery.cli.output import Output
from lazycelery.cli.session import make_output, open_engine, require_broker
from lazycelery.model.alert import Turn

if TYPE_CHECKING:
    from lazycelery.config import Settings
    from lazycelery.engine.api import EngineApi

AGAIN = 5.0
"""Seconds after which an engine that broke is made anew."""


@click.command()
@common
@click.option("--all", "every", is_flag=True, help="All profiles of the configuration.")
@click.pass_context
def serve(ctx: click.Context, every: bool) -> int:
    """Record the history, keep watch and send alerts, for one profile or several, until SIGTERM.

    Needs no terminal; a line a finding on stdout (NDJSON with --json). Ends with 0 on SIGTERM and Ctrl-C. A
    broker that is away is a finding, no end. SIGHUP is told and changes nothing: the configuration is read at
    the start.
    """
    from lazycelery.config import load

    words = said(ctx)
    output = make_output(words)
    names = several.named(words)
    if every and not names:
        chosen = load(words.config_options(), fetch_secrets=False)
        names = chosen.profiles
        several.check(names, chosen)
    found = [several.settings_of(name, words) for name in names] or [load(words.config_options())]
    for settings in found:
        output.notes(f"Warning: {warning}" for warning in settings.warnings)
        require_broker(settings)
        settings.profile.alerting = settings.profile.recorder = True
    asyncio.run(_serve(found, output))
    return 0


async def _serve(found: list[Settings], output: Output) -> None:
    stop = asyncio.Event()
    lines = watching.Lines(output, found[0].ui.utc, named=len(found) > 1)
    engines: dict[str, EngineApi] = {}

    def hangup() -> None:
        said = "SIGHUP: the configuration is not read again; restart to change it."
        lines.tell("", Turn(kind="remark", at=time.time(), text=said))

    watching.until_told(stop, hangup)
    tasks = [asyncio.create_task(_one(settings, lines, engines)) for settings in found]
    names = ", ".join(settings.profile.name for settings in found)
    lines.tell("", Turn(kind="remark", at=time.time(), text=f"Watching {names}."))
    await stop.wait()
    for task in tasks:
        task.cancel()
    await watching.end(list(engines.values()))


async def _one(settings: Settings, lines: watching.Lines, engines: dict[str, EngineApi]) -> None:
    """One profile, for good: whatever happens to it ends neither the others nor itself."""
    profile = settings.profile
    while True:
        try:
            engines[profile.name] = await open_engine(profile)
            await watching.follow(engines[profile.name], profile, lines)
        except asyncio.CancelledError:
            raise
        except Exception as fault:
            said = f"A fault in watching {profile.name} ({type(fault).__name__}); it begins anew."
            lines.tell(profile.name, Turn(kind="remark", at=time.time(), text=said))
        if (engine := engines.pop(profile.name, None)) is not None:
            await watching.end([engine])
        await asyncio.sleep(AGAIN)
