"""Filters as arguments: `-queue:low` is a condition, not an option."""

from __future__ import annotations

import re

import click

_NEGATED = re.compile(r"-[a-z_]+(\.[\w.-]+)?:.*", re.DOTALL)


class FilterCommand(click.Command):
    """A command whose arguments may be negated conditions (`-field:value`)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put negated conditions behind `--`, where click leaves them alone."""
        end = args.index("--") if "--" in args else len(args)
        options: list[str] = []
        conditions: list[str] = []
        for before, word in zip(["", *args], args[:end], strict=False):
            negated = _NEGATED.fullmatch(word) and before != "--filter"
            (conditions if negated else options).append(word)
        if "--filter" in options[:-1]:
            at = options.index("--filter")
            options[at : at + 2] = [f"--filter={options[at + 1]}"]
        rest = [*conditions, *args[end + 1 :]]
        return super().parse_args(ctx, [*options, "--", *rest] if rest else options)
