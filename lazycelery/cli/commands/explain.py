"""`lazycelery explain [CODE]`: the page of a finding, or what a limit of the doctor means."""

from __future__ import annotations

import click

from lazycelery import manual
from lazycelery.cli.options import common, said
from lazycelery.cli.session import make_output
from lazycelery.cli.table import Column


@click.command()
@common
@click.argument("code", required=False)
@click.pass_context
def explain(ctx: click.Context, code: str | None) -> int:
    """What a finding looks like, why it happens, how to be sure, to mend and to prevent it.

    CODE is what the doctor calls it, as worker-lost; without one, all are listed. The name of a limit tells
    what it means, as stalled; `limits` lists those. Needs no broker.
    """
    output = make_output(said(ctx))
    if code == "limits":
        told = manual.limits().items()
        if output.as_json:
            output.json([{"limit": name, "usual": value, "what": what} for name, (value, what) in told])
        else:
            columns = [
                Column("LIMIT"),
                Column("USUAL", right=True),
                Column("MEANING", flexible=True, least=20),
            ]
            output.table(columns, [(name, f"{value:,}", what) for name, (value, what) in told])
            output.note("[profiles.NAME.doctor] in the configuration changes single ones.")
        return 0
    if code is None:
        rows = [(one, manual.first_sentence(one)) for one in manual.codes()]
        if output.as_json:
            output.json([{"code": one, "what": what} for one, what in rows])
        else:
            output.table([Column("CODE"), Column("WHAT IT LOOKS LIKE", flexible=True, least=20)], rows)
        return 0
    text = manual.explain(code)
    if output.as_json:
        output.json({"code": code, "text": text})
    else:
        output.block(text.rstrip("\n"), indent="")
    return 0
