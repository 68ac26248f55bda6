"""`lazycelery replay FILE`."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import click

from lazycelery.cli.options import common, said
from lazycelery.errors import UsageError

MAGIC = b"lazycelery recording"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@click.command()
@common
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 10_000),
    default=1.0,
    show_default=True,
    help="How many times as fast as it was.",
)
@click.option(
    "--from", "start", default="0s", metavar="SPAN", help="Begin so long after its beginning: 90s, 5m."
)
@click.pass_context
def replay(ctx: click.Context, file: Path, speed: float, start: str) -> int:
    """Open a recording (--record FILE) as if it were live. Nothing in it can be changed.

    Commands read one too, as it was at its end: lazycelery --broker replay:///path/to/FILE tasks
    """
    try:
        with file.open("rb") as opened:
            known = opened.read(len(MAGIC)) == MAGIC
    except OSError as problem:
        raise UsageError(f"{file} cannot be read: {problem.strerror}.") from None
    if not known:
        raise UsageError(f"{file} is no recording.", "One is made by: lazycelery --broker URL --record FILE")
    words = said(ctx)
    words.values["broker"] = (
        f"replay://{quote(os.fsencode(file.absolute()))}?speed={speed:g}&from={_seconds(start):g}"
    )
    words.values["read_only"] = True
    from lazycelery.cli.screen import open_screen

    return open_screen(ctx)


def _seconds(text: str) -> float:
    unit = _UNITS.get(text[-1:].lower())
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"--from {text} is no span of time.", "For example 90s, 5m, 1h.")
    return seconds
