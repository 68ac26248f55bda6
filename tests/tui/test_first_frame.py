"""What the first frame loads: each module more is time before a person sees anything."""

from __future__ import annotations

import subprocess
import sys

OURS = ("cli", "config", "errors", "keys", "model", "tui", "waiting", "coming_from", "passwords", "signals")
"""Rooms of which the screen is made."""
OF_ENGINE = {"api", "client", "pipe", "protocol"}
"""The screen's side of the link to the engine."""
UNSEEN = {
    *("lazycelery.model.redaction", "lazycelery.demo"),
    *("numpy", "redis", "hiredis", "kombu", "celery", "amqp", "psutil", "tomlkit", "keyring", "orjson"),
    *("sqlite3", "multiprocessing", "email", "http", "xml", "unittest", "urllib.request", "pydoc"),
    *("pygments", "markdown_it", "tree_sitter", "textual.widgets._markdown", "textual.widgets._data_table"),
}
"""What somebody would load by mistake; the first two are needed only once something was typed, or never."""

PROGRAM = """
import asyncio, sys
from lazycelery.cli import several, session, screen
from lazycelery.config import Options, load
from lazycelery.engine.client import EngineProcess
from lazycelery.keys import keymap
from lazycelery.tui.app import ControlRoom

settings = load(Options(broker="redis://localhost:1/0"))
app = ControlRoom(settings, None, keymap(settings.ui.keymap))

def after_the_first_frame():
    painted = app.shown.done and app.dashboard.size.width
    print(*(sorted(sys.modules) if painted else ["not painted"]), file=sys.__stdout__)
    app.exit(0)

app._start = after_the_first_frame
asyncio.run(app.run_async(headless=True, size=(120, 40)))
"""


def test_the_first_frame_loads_nothing_that_it_does_not_show(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        check=False,
        env={**home, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
    )
    loaded = done.stdout.split()
    assert "textual.app" in loaded, done.stderr or done.stdout
    assert not UNSEEN & set(loaded)
    rooms = [name.split(".") for name in loaded if name.startswith("lazycelery.")]
    engine = {name[2] for name in rooms if name[1] == "engine" and len(name) > 2}
    assert engine <= OF_ENGINE
    assert {name[1] for name in rooms} <= {*OURS, "engine"}
    ours = [name for name in rooms if name[1] == "tui"]
    assert len(ours) <= 106, (
        "more modules of the screen than at any time before; are all of them seen at once?"
    )
