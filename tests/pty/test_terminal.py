"""Terminals as they are: none, dumb, tiny, hostile, restless."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pty.terminal import ROOT, Terminal

pytestmark = pytest.mark.pty
Show = Callable[..., Terminal]


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_without_cursor_movement_is_refused_with_a_way_out(show: Show, term: str) -> None:
    terminal = show(wait="", TERM=term)
    assert terminal.ended() == 1
    assert "One-shot commands work anywhere" in " ".join(terminal.text.split())


def test_a_pipe_is_refused_with_a_way_out() -> None:
    command = [sys.executable, "-m", "tests.support.fake_engine"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "\x1b" not in done.stdout
    assert "The screen needs a terminal" in done.stderr and "lazycelery status" in done.stderr


def test_where_errors_go_to_a_file_the_screen_is_on_the_terminal_all_the_same(tmp_path: Path) -> None:
    start = "import os, runpy, sys; os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 2)"
    start += "; runpy.run_module('tests.support.fake_engine', run_name='__main__')"
    errors = tmp_path / "errors.txt"
    terminal = Terminal("-c", start, str(errors))
    try:
        terminal.until("web-1")
        terminal.send("q")
        assert terminal.ended() == 0 and errors.read_text() == ""
    finally:
        terminal.close()


@pytest.mark.parametrize("pause", [0.0, 0.25])
def test_an_escape_and_then_a_key_are_taken_however_soon_it_comes(show: Show, pause: float) -> None:
    terminal = show()
    for _ in range(4):
        terminal.send("\x1b")
        terminal.read(pause)
        terminal.send("?")
        terminal.until("Help")
        terminal.settle()
        terminal.send("\x1b")
        terminal.read(pause)
        terminal.send("3")
        terminal.until(lambda: "Help" not in terminal.text)
        terminal.settle()
    terminal.send("q")
    assert terminal.ended() == 0


@pytest.mark.parametrize("stray", [b"\xff\xc3", b"\x1b[97;1:3u"], ids=["byte", "sequence"])
def test_what_a_terminal_sends_astray_ends_nothing(show: Show, stray: bytes) -> None:
    terminal = show()
    os.write(terminal.master, stray)
    terminal.settle()
    terminal.send("?")
    terminal.until("Help")
    terminal.send("q")
    assert terminal.ended() == 0


def test_quitting_gives_the_terminal_back(show: Show) -> None:
    terminal = show()
    terminal.send("q")
    assert terminal.ended() == 0
    terminal.read(0.2)
    for left, entered in (("?1049l", "?1049h"), ("?25h", "?25l"), ("?1003l", "?1003h")):
        assert terminal.raw.rfind(left.encode()) > terminal.raw.rfind(entered.encode()), left


def test_control_c_quits(show: Show) -> None:
    terminal = show()
    terminal.send("\x03")
    assert terminal.ended() == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_and_gives_the_terminal_back(show: Show, name: str) -> None:
    terminal = show()
    number = getattr(signal, name)
    terminal.process.send_signal(number)
    assert terminal.ended() == 128 + number
    terminal.read(0.2)
    assert terminal.raw.rfind(b"?1049l") > terminal.raw.rfind(b"?1049h")
    assert terminal.raw.rfind(b"?25h") > terminal.raw.rfind(b"?25l")
    assert b"Traceback" not in terminal.raw


def test_a_terminal_that_goes_away_ends_it(show: Show) -> None:
    terminal = show("flood")
    os.close(terminal.master)
    terminal.master = os.open(os.devnull, os.O_RDWR)
    terminal.process.send_signal(signal.SIGHUP)
    assert terminal.process.wait(10) != 0


def test_a_tiny_terminal_gets_a_sentence_and_can_grow(show: Show) -> None:
    terminal = show(wait="", width=20, height=5)
    terminal.until("too small")
    terminal.resize(80, 24)
    terminal.until("3 Tasks")


def test_a_size_that_changes_and_changes_back_at_once_leaves_a_whole_screen(show: Show) -> None:
    terminal = show()
    terminal.settle()
    before = terminal.text
    terminal.resize(60, 20)
    terminal.resize(120, 35)  # What was cut off is gone from the terminal, and no size is new.
    assert terminal.text != before
    terminal.settle()
    assert terminal.text == before


def test_a_screen_that_was_stopped_in_the_shell_comes_back_whole(show: Show) -> None:
    terminal = show()
    terminal.settle()
    before = terminal.text
    terminal.process.send_signal(signal.SIGTSTP)
    terminal.settle()
    terminal.screen.reset()
    terminal.process.send_signal(signal.SIGCONT)
    terminal.settle()
    assert terminal.text == before


def test_a_storm_of_resizes_ends_in_a_whole_screen(show: Show) -> None:
    terminal = show("flood")
    for step in range(100):
        terminal.resize(20 + step * 37 % 180, 5 + step * 13 % 55)
        terminal.read(0.005)
    terminal.resize(120, 35)
    terminal.until(lambda: "1 Workers" in terminal.text and "q quit" in terminal.text)
    terminal.settle(0.1, timeout=1)
    lines = terminal.text.splitlines()
    assert lines[1].startswith("╭─ 1 Workers") and lines[1].endswith("╮")
    assert lines[-3].startswith("╭─ 4 Findings") and lines[-3].endswith("╯")


def test_hostile_names_reach_no_terminal(show: Show) -> None:
    terminal = show("hostile")
    for key in ("3", "]", "]", "]", "\r", "\x1b", "2", "v", "1"):
        terminal.send(key)
        terminal.settle(0.2)
    assert "[/x]" in terminal.text
    assert b"\x1b[2J\x1b]0;" not in terminal.raw and b"\x1b]0;owned" not in terminal.raw
    assert "\u202e".encode() not in terminal.raw
    terminal.send("q")
    assert terminal.ended() == 0


def test_ascii_is_all_that_is_sent_when_asked_for(show: Show) -> None:
    terminal = show("ascii")
    for key in ("2", "3", "j", "?", "\x1b"):
        terminal.send(key)
        terminal.settle(0.2)
    assert terminal.raw.isascii()


def test_what_the_terminal_shows_is_what_was_painted(show: Show) -> None:
    """After a wild walk the screen equals the one that ctrl+r sends anew."""
    terminal = show("unlocked", width=110, height=32)
    for key in (
        "2",
        "v",
        "3",
        "j",
        "z",
        "\x06",
        "z",
        "+",
        "_",
        "?",
        "\x1b",
        "r",
        "\x1b",
        "1",
        "G",
        "\r",
        "\x1b",
        "]",
    ):
        terminal.send(key)
        terminal.settle(0.15)
    terminal.settle()
    shown = terminal.text
    terminal.send("\x12")
    terminal.settle()
    terminal.send("U")
    terminal.send("U")
    terminal.settle()
    assert shown.splitlines()[:-1] == terminal.text.splitlines()[:-1]


def test_a_text_is_lent_to_the_pager_and_the_screen_comes_back(
    show: Callable[..., Terminal], tmp_path: Path
) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f'#!/bin/sh\nls -l "$1" > {tmp_path}/mode\ncp "$1" {tmp_path}/text\n')
    pager.chmod(0o755)
    terminal = show(PAGER=str(pager), TMPDIR=str(tmp_path))
    terminal.send("3jj]]")
    terminal.until("In your code")
    terminal.send("o")
    terminal.until(lambda: (tmp_path / "text").exists())
    terminal.send("1")
    terminal.until("mail-1")
    terminal.settle()
    assert (tmp_path / "mode").read_text().startswith("-rw-------")
    assert "gateway.py" in (tmp_path / "text").read_text()
    assert list(tmp_path.glob("lazycelery-*")) == []


def test_a_terminal_that_goes_without_a_signal_ends_the_screen_and_its_engine() -> None:
    ours, theirs = pty.openpty()
    # A session of its own that has no controlling terminal is told nothing.
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fake_engine"],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    seen = b""
    while b"web-1" not in seen:
        seen += os.read(ours, 65536)
    assert process.poll() is None
    os.close(ours)
    try:
        assert process.wait(20) == 129
    finally:
        process.kill()
