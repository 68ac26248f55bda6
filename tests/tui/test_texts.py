"""Long texts: searched, folded, coloured, handed to a pager; ten megabytes without a pause."""

from __future__ import annotations

import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import LazyCeleryError
from lazycelery.tui import outside
from lazycelery.tui.mainside import MainSide
from lazycelery.tui.presentation.body import Joined, Text, folded
from lazycelery.tui.presentation.line import length
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.search import highlighted, hits, whole_texts
from lazycelery.tui.presentation.tinted import tinted
from lazycelery.tui.presentation.traceback import traceback_body
from lazycelery.tui.presentation.values import value_body
from lazycelery.tui.talk import Talk
from tests.support.fake_engine import NOW
from tests.tui.conftest import Stage, staged

LOOK = Look(NOW)


def test_what_to_press_next_is_told_behind_a_long_path() -> None:
    talk, path = Talk(), f"/home/ada/{'deep/' * 60}20261126T070100-default.ndjson"
    for width in (40, 80, 160):
        talk.say(f"purged default: 1,204 removed, 0 left, backup {path}; u undoes.")
        told = " ".join("".join(text for text, _ in line) for line in talk.lines([], (), LOOK, width))
        assert "u undoes." in " ".join(told.split()) and "default.ndjson" in told.replace(" ", "")
    talk.say(f"backup {path[-60:]}; u undoes.")
    assert path[-60:] in " ".join(text for line in talk.lines([], (), LOOK, 80) for text, _ in line)


TEN_MB = "\n".join(
    f"line {n} of a long story about nothing in particular, told slowly" for n in range(160_000)
)


def drawn(main: MainSide, body: Any) -> str:
    page = Page((("t", ""),), (), 0, body)
    lines = main.draw(page, "subject", LOOK, 60, 20, True)
    return "\n".join("".join(text for text, _ in line) for line in lines)


def test_a_search_goes_from_hit_to_hit_and_round() -> None:
    main = MainSide()
    body = Text("\n".join("Needle" if n % 40 == 5 else f"hay {n}" for n in range(100)))
    drawn(main, body)
    assert main.search("needle") == "Hit 1 of 3"
    assert main.hit(1) == "Hit 2 of 3" and "Needle" in drawn(main, body)
    assert main.hit(1) == "Hit 3 of 3" and main.hit(1) == "Hit 1 of 3"
    assert main.hit(-1) == "Hit 3 of 3"
    assert main.search("thimble") == "'thimble' is not here."


def test_hits_are_marked_and_the_text_stays_as_it_is() -> None:
    line = highlighted((("a Nee", "ok"), ("dle, a needle", "")), "needle")
    assert "".join(text for text, _ in line) == "a Needle, a needle"
    assert [(text, token) for text, token in line if "badge" in token] == [
        ("Nee", "ok badge"), ("dle", "badge"), ("needle", "badge"),
    ]  # fmt: skip
    assert highlighted((("x", ""),), "") == (("x", ""),)


def test_folded_lines_lose_nothing() -> None:
    parts = folded((("abcdef", "ok"), ("漢字漢字", "")), 5)
    assert [length(part) for part in parts] == [5, 5, 4]
    assert "".join(text for part in parts for text, _ in part) == "abcdef漢字漢字"
    assert folded((), 5) == [()]


def test_folding_scrolls_to_the_last_line() -> None:
    main, body = MainSide(), Text("\n".join("x" * 200 for _ in range(30)) + "\nthe end")
    main.wrap = True
    drawn(main, body)
    main.scroll(1 << 40)
    assert "the end" in drawn(main, body)


def test_values_have_colours_by_what_they_are() -> None:
    tokens = {text.strip(): token for text, token in tinted("{'a': 1, 'b': [None, \"x\"], 'c': -2.5e3}")}
    assert tokens["'a'"] == "accent" and tokens["1"] == "run" and tokens["-2.5e3"] == "run"
    assert tokens["None"] == "wait" and tokens['"x"'] == "ok"


def test_a_text_of_json_is_shown_as_a_tree_and_any_other_as_it_is() -> None:
    whole = "\n".join(whole_texts(value_body('{"order": {"id": 7, "lines": ["%s", "b"]}}' % ("a" * 70))))
    assert "holds JSON" in whole and "    'lines': [" in whole
    written = "\n".join(whole_texts(value_body(f"({{'order': {{'id': 7, 'name': '{'a' * 70}'}}}}, None)")))
    assert "holds a Python value" in written and "    'order': {" in written
    assert list(whole_texts(value_body("{'cut': [1, 2, "))) == ["{'cut': [1, 2, "]
    assert list(whole_texts(value_body("[" * 9000))) == ["[" * 9000]


def test_a_file_for_the_pager_is_whole_harmless_and_private() -> None:
    path = outside.write(whole_texts(Joined([(("head", ""),)], Text("x" * 9000 + "\n\x1b[2Jend"))))
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lines = path.read_text().split("\n")
        assert lines[0] == "head" and len(lines[1]) == 9000 and lines[2] == "␛[2Jend"
    finally:
        outside.remove(path)
    assert not path.exists()
    outside.remove(path)


def test_the_pager_is_the_persons_own() -> None:
    assert outside.command({"PAGER": "less -S", "EDITOR": "vi"}) == ["less", "-S"]
    assert outside.command({"EDITOR": "emacs -nw"}) == ["emacs", "-nw"]
    with pytest.raises(LazyCeleryError, match="quotation mark"):
        outside.command({"PAGER": "'less"})


def test_ctrl_c_is_the_pagers_and_not_ours() -> None:
    before = signal.getsignal(signal.SIGINT)
    pressed = "import os, signal, time; [os.kill(pid, signal.SIGINT) for pid in (os.getppid(), os.getpid())]"
    outside.run([sys.executable, "-c", f"{pressed}; time.sleep(60)"])
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("make", [Text, traceback_body, value_body])
def test_ten_megabytes_are_opened_scrolled_and_searched_without_a_pause(make: Any) -> None:
    main = MainSide()
    start = time.perf_counter()
    body = make(TEN_MB)
    drawn(main, body)
    opened = time.perf_counter()
    main.scroll(1 << 40)
    assert "line 159999" in drawn(main, body)
    scrolled = time.perf_counter()
    assert main.search("line 159998 ") == "Hit 1 of 1"
    searched = time.perf_counter()
    assert opened - start < 0.25 and scrolled - opened < 0.05 and searched - scrolled < 0.5


def test_one_line_of_ten_megabytes_is_no_trouble() -> None:
    main, body = MainSide(), value_body("[" + "'x', " * 2_000_000)
    start = time.perf_counter()
    assert "more characters" in "".join(text for text, _ in body[0])
    drawn(main, body)
    assert hits(body, "'y'") == [] and time.perf_counter() - start < 0.5


async def opened(stage: Stage) -> None:
    await stage.press("3", "j", "j", "enter", "]", "]")


async def test_searching_the_main_side_by_keys() -> None:
    async with staged(size=(80, 24)) as stage:
        await opened(stage)
        await stage.press("slash", *"gateway", "enter")
        assert "Hit 1 of" in stage.text
        await stage.press("n")
        assert "Hit 2 of" in stage.text
        await stage.press("N")
        assert "Hit 1 of" in stage.text
        await stage.press("escape")
        assert stage.desk.main.needle == "" and stage.desk.scrolls
        await stage.press("n")
        assert "Nothing is searched for" in stage.text
        await stage.press("slash", *"thimble")
        assert "'thimble' is not here." in stage.text


async def test_folding_by_key() -> None:
    async with staged(size=(80, 24)) as stage:
        await opened(stage)
        assert "in 8 …│" in stage.text
        await stage.press("w")
        assert "in 8 …│" not in stage.text and "Long lines are folded" in stage.text


async def test_a_terminal_that_cannot_be_lent_says_so_and_leaves_no_file(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with staged() as stage:
        await opened(stage)
        await stage.press("o")
        await stage.until("cannot be lent to a pager")
        assert list(tmp_path.glob("lazycelery-*")) == []
