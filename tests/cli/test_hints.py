"""What hints, undo texts, help and docs tell people to type: the command line knows it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from celery.bin.worker import worker as celery_worker

from lazycelery.cli.root import COMMANDS, root

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "lazycelery"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

TYPED = re.compile(r"(?<![\w./-])lazycelery((?: (?:'[^']*'|(?!lazycelery)[^\s`|,;()'\"…&]+))+)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OPTION_OF = {
    "retry": ("retry",),
    "routing": ("retry",),
    "recovery": ("retry",),
    "revoke": ("revoke",),
    "terminate": ("terminate",),
    "targets": ("retry", "revoke", "terminate"),
    "purge": ("purge",),
    "backup": ("purge",),
    "restore": ("restore",),
    "events": ("worker events",),
    "pool": ("worker pool", "worker autoscale", "worker restart"),
    "consumers": ("worker consume", "worker cancel"),
    "hold": ("worker hold", "worker resume"),
    "limits": ("worker rate-limit", "worker time-limit"),
    "shutdown": ("worker shutdown",),
    "supervise": ("worker service",),
    "send": ("send",),
    "stamped": ("revoke",),
    "resume": ("plan resume",),
    "shift_again": ("plan resume",),
}
"""Modules of `actions` whose hints are given by certain commands: options are looked for there."""


def texts(path: Path, *, docstrings: bool = True) -> Iterator[str]:
    """Every text of a module; what is filled in when it runs stands as X."""
    tree = ast.parse(path.read_text())
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    left_out = inside if docstrings else inside | documents
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.value


def commands(text: str) -> list[list[str]]:
    """What stands behind `lazycelery`, word by word, up to the end of the sentence or line."""
    return [[word.rstrip(".:") for word in found.split()] for found in TYPED.findall(text)]


def options(command: click.Command) -> dict[str, click.Option]:
    found = [each for each in [*root.params, *command.params] if isinstance(each, click.Option)]
    return {name: each for each in found for name in [*each.opts, *each.secondary_opts, "--help", "-h"]}


def find(name: str) -> click.Command:
    command: click.Command = root
    for word in name.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word) or pytest.fail(f"no command {name}")
    return command


def unknown(words: list[str]) -> str | None:
    """The first word that the command line does not know, or `None`."""
    command: click.Command = root
    value_next = False
    for word in words:
        if value_next:
            value_next = False
        elif word.startswith("-") and ":" not in word:
            known = options(command)
            name, equals, _ = word.partition("=")
            if name not in known:
                return f"{command.name} {word}"
            value_next = not equals and not known[name].is_flag and name not in ("--help", "-h")
        elif isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return word
            command = found
    return None


PROSE = {"X", "at", "[OPTIONS]"}
"""Words that follow the program's name in sentences, or stand for others."""


def wrong(found: list[list[str]]) -> list[str]:
    return [" ".join(words) for words in found if words[0] not in PROSE and unknown(words)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_command_that_a_text_names_is_there(path: Path) -> None:
    assert wrong([words for text in texts(path) for words in commands(text)]) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_that_a_page_shows_is_there(page: Path) -> None:
    shown = "\n".join(re.findall(r"```\w*\n.*?```|`lazycelery [^`]*`", page.read_text(), re.DOTALL))
    assert wrong(commands(shown)) == []


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.parent.name == "actions"], ids=lambda path: path.stem
)
def test_an_option_that_a_hint_names_is_taken_by_its_command(path: Path) -> None:
    known = {option for param in celery_worker.params for option in param.opts}
    for name in OPTION_OF.get(path.stem, COMMANDS):
        known |= set(options(find(name)))
    named = {option for text in texts(path, docstrings=False) for option in OPTION.findall(text)}
    assert named - known == set()


def test_the_texts_are_found_at_all() -> None:
    """The tests above would pass on nothing."""
    every = [" ".join(words) for path in SOURCES for text in texts(path) for words in commands(text)]
    assert "worker events X X --allow events" in every
    assert "restore X --allow restore" in every
    assert "audit action:purge" in every
    assert any("--force" in text for text in texts(PACKAGE / "actions" / "retry.py", docstrings=False))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("retry a --keep-canvas", "retry --keep-canvas"),
        ("worker event on", "event"),
        ("purge low --force", "purge --force"),
        ("--broker redis://db/0 frobnicate", "frobnicate"),
        ("retry --allow retry --queue q state:failure -queue:low", None),
        ("worker events on w1@host --allow=events --yes", None),
    ],
)
def test_a_wrong_command_would_be_seen(line: str, problem: str | None) -> None:
    assert unknown(line.split()) == problem
