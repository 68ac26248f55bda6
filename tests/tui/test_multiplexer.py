"""GNU screen and tmux between us and the terminal."""

from __future__ import annotations

import base64
import re

import pytest

from lazycelery.tui.multiplexer import clipboard, in_gnu_screen
from tests.tui.conftest import staged

LONG = "celery@web-1 " * 300


def unwrapped(order: str) -> str:
    """What GNU screen passes on: what stands in strings that are not too long."""
    pieces = re.findall("\x1bP(.*?)\x1b\\\\", order, re.S)
    assert all(len(piece) <= 256 for piece in pieces)
    return "".join(pieces)


def copied(order: str) -> str:
    return base64.b64decode(order.removeprefix("\x1b]52;c;").removesuffix("\a")).decode()


@pytest.mark.parametrize(
    ("environ", "screen", "plain", "wraps", "spills"),
    [
        ({"TERM": "xterm-256color"}, False, True, False, False),
        ({"TERM": "tmux-256color", "TMUX": "x"}, False, True, False, False),
        ({"TERM": "screen", "TMUX": "x"}, False, True, False, False),
        ({"TERM": "screen", "STY": "1.x"}, True, False, True, False),
        ({"TERM": "screen.xterm-256color", "STY": "1.x"}, True, False, True, False),
        ({"TERM": "screen-256color", "STY": "1.x", "TMUX": "outside"}, True, False, True, False),
        ({"TERM": "screen-256color"}, False, True, True, True),  # By SSH: either of them.
    ],
)
def test_a_copy_reaches_the_terminal(
    environ: dict[str, str], screen: bool, plain: bool, wraps: bool, spills: bool
) -> None:
    assert in_gnu_screen(environ) == screen
    order, spilt = clipboard(LONG, environ)
    assert spilt == spills and not clipboard("short", environ)[1]
    if wraps:
        assert copied(unwrapped(order)) == LONG
    if plain:
        assert copied(order[: order.index("\a") + 1]) == LONG
    assert order.startswith("\x1b]52") == plain and ("\x1bP" in order) == wraps


async def test_the_screen_repaints_what_a_copy_may_have_spilt(monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged() as stage:
        monkeypatch.setenv("TERM", "screen")
        for name in ("STY", "TMUX"):
            monkeypatch.delenv(name, raising=False)
        painted = []
        monkeypatch.setattr(stage.app, "repaint", lambda: painted.append(1))
        await stage.press("y")
        assert painted == [] and stage.app.clipboard == "celery@mail-1"
        await stage.press("Y")
        assert painted == [1]
