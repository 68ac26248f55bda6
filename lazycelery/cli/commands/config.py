"""`lazycelery config init|show|path|check|export`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from lazycelery.cli.options import common, said
from lazycelery.cli.session import make_output
from lazycelery.cli.table import Cell, Column
from lazycelery.config import Options, load, report, starter
from lazycelery.config.document import read
from lazycelery.config.places import config_path
from lazycelery.config.tables import faults, profiles, stray_default
from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.model.counting import count as plural


@click.group()
@common
def config() -> None:
    """The configuration: write, show, check it."""


def _path(ctx: click.Context) -> tuple[Path, str]:
    return config_path(said(ctx).config, os.environ)


@config.command()
@common
@click.pass_context
def init(ctx: click.Context) -> int:
    """Write a commented file in which every setting is explained. Never over another one."""
    path, _ = _path(ctx)
    starter.write(path)
    output = make_output(said(ctx))
    if output.as_json:
        output.json({"path": str(path)})
    else:
        output.line(str(path))
    output.note("Everything in it is commented out. Give it a profile, then: lazycelery config check")
    return 0


@config.command()
@common
@click.pass_context
def path(ctx: click.Context) -> int:
    """Where the file is, or would be. Ends with 1 when there is none."""
    found, origin = _path(ctx)
    output = make_output(said(ctx))
    if output.as_json:
        output.json({"path": str(found), "origin": origin, "exists": found.exists()})
    else:
        output.line(str(found))
    if not found.exists():
        output.note("There is no such file. `lazycelery config init` writes one.")
    return 0 if found.exists() else 1


@config.command()
@common
@click.pass_context
def show(ctx: click.Context) -> int:
    """Every value in effect and where it comes from. Secrets are hidden, and none is fetched."""
    words = said(ctx)
    output = make_output(words)
    settings = load(words.config_options(), fetch_secrets=False)
    rows = report.rows(settings)
    if output.as_json:
        output.json([row._asdict() for row in rows])
    else:
        columns = [
            Column("SETTING"),
            Column("VALUE", flexible=True, least=20),
            Column("FROM", flexible=True, least=20),
        ]
        output.table(columns, [_row(row) for row in rows])
    output.notes(f"Warning: {warning}" for warning in settings.warnings)
    return 0


def _row(row: report.Row) -> tuple[object, ...]:
    value = _shown(row.value)
    if row.origin == "default":
        return Cell(row.key, "dim"), Cell(value, "dim"), Cell(row.origin, "dim")
    return row.key, value, row.origin


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return "-" if value in (None, "") else str(value)


@config.command()
@common
@click.pass_context
def check(ctx: click.Context) -> int:
    """Check the whole file, every profile in it, and tell all mistakes. Ends with 2 when there is one."""
    words = said(ctx)
    output = make_output(words)
    found, _ = _path(ctx)
    document = read(found)
    problems: list[LazyCeleryError] = list(faults(document, os.environ))
    names: list[str] = []
    warnings: list[str] = []
    if not problems:
        names = words.profiles or profiles(document)
        problems, warnings = _check_profiles(str(found), names)
        problems += stray_default(document)
    if output.as_json:
        errors = [{"error": problem.title, "hint": problem.hint} for problem in problems]
        output.json({"path": str(found), "profiles": names, "errors": errors, "warnings": warnings})
    output.notes(f"Warning: {warning}" for warning in warnings)
    output.notes(f"Error: {problem}" for problem in problems)
    if problems:
        return UsageError.exit_code
    if not output.as_json:
        output.line(f"{found}: {plural(len(names), 'profile')}, no error.")
    return 0


def _check_profiles(path: str, names: list[str]) -> tuple[list[LazyCeleryError], list[str]]:
    problems: list[LazyCeleryError] = []
    warnings: dict[str, None] = {}
    for name in names:
        try:
            settings = load(Options(config=path, profile=name), fetch_secrets=False)
            warnings.update(dict.fromkeys(settings.warnings))
        except LazyCeleryError as problem:
            problems.append(problem)
    return problems, list(warnings)


@config.command()
@common
@click.pass_context
def export(ctx: click.Context) -> int:
    """The settings in effect as a file for another machine; passwords become ${LAZYCELERY_PASSWORD}."""
    words = said(ctx)
    settings = load(words.config_options(), fetch_secrets=False)
    output = make_output(words)
    if output.as_json:
        output.json({row.key: row.value for row in report.rows(settings)})
    else:
        sys.stdout.write(report.export(settings))
    return 0
