"""`lazycelery why TARGET`: one sentence."""

from __future__ import annotations

import click

from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot


@click.command()
@common
@click.argument("target")
@click.option(
    "--observe",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Watch for so long before the answer.",
)
@click.pass_context
def why(ctx: click.Context, target: str, observe: float) -> int:
    """Where a task (its id, or the beginning), a queue or a worker is, and why it is not done.

    Ends with 1 when nobody has seen it.
    """

    async def body(session: Session) -> int:
        verdict, output = await session.engine.why(target), session.output
        if output.as_json:
            output.json(verdict)
            return 0
        output.line(verdict.text)
        for fact in verdict.evidence:
            output.line(f"  - {fact.text} ({fact.source})" if fact.source else f"  - {fact.text}")
        if verdict.findings:
            output.line(f"  see: {', '.join(verdict.findings)} (lazycelery doctor)")
        return 0

    return one_shot(ctx, body, observe=observe)
