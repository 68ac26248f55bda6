"""What is said below the faces names options only to the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lazycelery
from lazycelery.keys.table import ACTIONS
from lazycelery.model.faces import by_face, speak_to
from lazycelery.tui.commands import OWN

ROOT = Path(lazycelery.__file__).parent
ROOMS = ("actions", "alerts", "engine", "insight", "model", "sources", "store", "tui")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OTHERS = {
    *("--autoscale", "--statedb", "--without-gossip", "--without-heartbeat"),  # celery worker
    *("--pid", "--scan", "--no-pager"),  # py-spy, redis-cli, journalctl
}
"""Options of other programs."""
SHELL_ONLY = ("tui/__init__.py", "tui/views/start.py", "actions/stamped.py", "sources/replay/reader.py")
"""Texts that are seen before there is a screen, or about orders that only a command can give."""


def own_options(text: str) -> set[str]:
    return set(OPTION.findall(text)) - OTHERS


def texts(node: ast.AST, heard_by: str = "both") -> Iterator[tuple[str, int, str]]:
    """Each text of a module with its line and who hears it: docstrings left out."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "by_face":
        shell, screen = node.args
        yield from texts(shell, "shell")
        yield from texts(screen, "screen")
        return
    if isinstance(node, ast.JoinedStr):
        whole = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        yield whole, node.lineno, heard_by
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from texts(part, heard_by)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value, node.lineno, heard_by
    for child in ast.iter_child_nodes(node):
        yield from texts(child, heard_by)


def told(path: Path) -> Iterator[tuple[str, int, str]]:
    yield from texts(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("room", ROOMS)
def test_no_option_of_ours_is_named_to_the_screen(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.relative_to(ROOT).as_posix() not in SHELL_ONLY
        for text, line, heard_by in told(path)
        # A command as data: what undoes an action, for whoever copies it.
        if heard_by != "shell" and own_options(text) and not text.startswith("lazycelery ")
    ]
    assert not wrong, "say it by_face(shell, screen):\n" + "\n".join(wrong)


def test_the_search_finds_what_it_is_for() -> None:
    code = 'f("--queue NAME", by_face("--force does", "--force"), f"{by_face(\'--a-b\', \'\')} --limit")'
    found = [(own_options(text), who) for text, _, who in texts(ast.parse(code)) if own_options(text)]
    assert found == [
        ({"--queue"}, "both"),
        ({"--force"}, "shell"),
        ({"--force"}, "screen"),
        ({"--limit"}, "both"),
        ({"--a-b"}, "shell"),
    ]


def test_every_command_that_the_screen_is_told_exists() -> None:
    known = {action.id for action in ACTIONS} | {verb.name for verb in OWN}
    named = {
        (command, f"{path.relative_to(ROOT)}:{line}")
        for path in sorted(ROOT.rglob("*.py"))
        for text, line, heard_by in told(path)
        if heard_by == "screen"
        for command in re.findall(r"(?<![\w/]):([a-z][a-z.]*[a-z])\b(?!:)", text)
    }
    assert len(named) > 10
    assert not [one for one in named if one[0] not in known]


def test_each_face_hears_its_own_words() -> None:
    assert by_face("--queue NAME", ":send") == "--queue NAME"
    speak_to("screen")
    try:
        assert by_face("--queue NAME", ":send") == ":send"
    finally:
        speak_to("shell")
