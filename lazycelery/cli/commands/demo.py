"""`lazycelery demo`: a living fleet on an embedded broker."""

from __future__ import annotations

import click

from lazycelery.cli.options import common, said
from lazycelery.cli.session import set_recording
from lazycelery.errors import UsageError


@click.command()
@common
@click.option("--fleet", default="shop", show_default=True, help="Which example.")
@click.option("--headless", is_flag=True, help="No screen: print the broker's URL and run until Ctrl-C.")
@click.option("--seed", type=int, help="The same seed makes the same traffic.")
@click.pass_context
def demo(ctx: click.Context, fleet: str, headless: bool, seed: int | None) -> int:
    """See a living example fleet: broker, workers and customers, all ended with the program.

    With --broker the fleet uses that Redis, whose database must be empty.

    \b
    lazycelery demo
    lazycelery demo --headless
    """
    words = said(ctx)
    if not headless:
        from lazycelery.cli.screen import require_terminal

        require_terminal()
    from lazycelery.config import load
    from lazycelery.demo import run

    broker = words.broker
    words.values.pop("broker", None)
    settings = load(words.config_options(), cluster=False)
    if headless and words.record:
        raise UsageError("--headless records nothing.", "Record another command at its URL.")
    set_recording(words, settings)
    return run(fleet=fleet, headless=headless, broker=broker, seed=seed, settings=settings)
