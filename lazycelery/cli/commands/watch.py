"""`lazycelery watch`: findings as they come and go, a line each; sends the profile's alerts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from lazycelery.cli import watching
from lazycelery.cli.options import common, said
from lazycelery.cli.output import Output
from lazycelery.cli.session import make_output, open_engine, require_broker, set_recording
from lazycelery.errors import ConnectionProblem

if TYPE_CHECKING:
    from lazycelery.config import Settings
    from lazycelery.model.profile import Profile

OBSERVE = 15.0
DELIVER = 30.0
"""Seconds that `--once` gives alerts to be delivered."""
UNDELIVERED = 5


@click.command()
@common
@click.option("--once", is_flag=True, help="Look once, tell what changed since the last time, send it, end.")
@click.option(
    "--observe",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=OBSERVE,
    show_default=True,
    help="How long --once looks.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End after this time.",
)
@click.pass_context
def watch(ctx: click.Context, once: bool, observe: float, seconds: float | None) -> int:
    """Tell each finding that is new, worse or gone in a line, and send the profile's alerts, until Ctrl-C.

    Ends with 0 on Ctrl-C and SIGTERM. With --once: 0 nothing is wrong, 1 there are findings, 3 the broker
    cannot be reached, 5 an alert was not taken (it is kept for the next time).
    """
    from lazycelery.config import load

    words = said(ctx)
    output = make_output(words)
    settings = load(words.config_options())
    output.notes(f"Warning: {warning}" for warning in settings.warnings)
    require_broker(settings)
    set_recording(words, settings)
    profile = settings.profile
    profile.alerting, profile.glance, profile.recorder = True, once, not once
    if once:
        return asyncio.run(_once(settings, output, observe))
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch(settings, output, seconds))
    return 0


async def _watch(settings: Settings, output: Output, seconds: float | None) -> None:
    profile, stop = settings.profile, asyncio.Event()
    watching.until_told(stop)
    output.note(_begun(profile))
    engine = await open_engine(profile)
    following = asyncio.create_task(watching.follow(engine, profile, watching.Lines(output, settings.ui.utc)))
    ending = asyncio.create_task(stop.wait())
    await asyncio.wait({following, ending}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    broken = following.done()
    following.cancel()
    await watching.end([engine])
    if broken:
        await following  # Raises what broke it.


def _begun(profile: Profile) -> str:
    to = ", ".join(target.name for target in profile.alerts)
    return f"Watching {profile.name}; " + (f"alerts go to {to}." if to else "no alerts are configured.")


async def _once(settings: Settings, output: Output, observe: float) -> int:
    profile = settings.profile
    engine = await open_engine(profile)
    cut_off: ConnectionProblem | None = None
    try:
        try:
            await engine.ready(2 * profile.timeout + 1, observe)
        except ConnectionProblem as problem:
            cut_off = problem
        await engine.doctor()
        page = await engine.turns(0, DELIVER, settle=True)
        lines = watching.Lines(output, settings.ui.utc)
        for turn in page.turns:
            lines.tell(profile.name, turn)
        output.note(f"{page.open} open." if page.open else "Nothing is wrong.")
    finally:
        await watching.end([engine])
    if page.pending:
        return UNDELIVERED
    if cut_off is not None:
        return cut_off.exit_code
    return 1 if page.open else 0
