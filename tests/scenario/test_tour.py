"""The tour of the docs, walked on the living demo: each view is there, at the keys that the page names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.pty.terminal import Terminal
from tests.scenario.stories import plain

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "tour.md").read_text()
MOST = 40
"""Keys of the whole tour, at most; a filter's text is not counted."""


class Step(NamedTuple):
    """A key, and what must be seen then. A text is typed into the line that the key before opened."""

    key: str
    seen: str
    typed: bool = False


class Stop(NamedTuple):
    """A part of the page."""

    heading: str
    steps: tuple[Step, ...]


ENTER, ESC, SPACE = "\r", "\x1b", " "
NAMES = {ENTER: "⏎", ESC: "esc", SPACE: "space"}
TOUR = (
    Stop(
        "What is wrong?",
        (
            Step("2", r"Depth Messages"),
            Step("3", r"Summary Args"),
            Step("f", r"3 Tasks[^›]*› faul"),
            Step("f", r"3 Tasks[^›]* [\d,.]+"),
            Step("1", r"Overview Reserved"),
            Step("4", r"How it is known|[Nn]othing is wrong"),
        ),
    ),
    Stop(
        "Why is this task not done?",
        (
            Step("3", r"1 Workers.*Summary Args"),
            Step(
                ENTER, r"lazycelery [^▸]*Summary Args (Result|Error) Timeline Family Events Message Sources"
            ),
            Step("]", r"args told by|No source has told the arguments"),
            Step("]", r"There is no result|no source has told a result|told by|traceback"),
            Step("]", r"received \d+:|started \d+:|sent \d+:|waited|Inferred"),
            Step("F", r"\d+ of [\d,]+ known tasks succeeded"),
            Step("]", r"task-\w+"),
            Step("]", r"message"),
            Step("]", r"FIELD SOURCE CUT VALUE"),
        ),
    ),
    Stop(
        "Which tasks?",
        (
            Step(ESC, r"1 Workers"),
            Step("z", r"STATE"),
            Step("/", r"Tasks/"),
            Step("state:success" + ENTER, r"› state:success", typed=True),
            Step("S", r"Sorted by"),
            Step(ESC, r"3 Tasks"),
            Step("z", r"1 Workers"),
        ),
    ),
    Stop(
        "What waits in the queue?",
        (Step("2", r"Depth"), Step("v", r"# ID TASK|empty|No message waits|Nothing waits")),
    ),
    Stop(
        "How does it go over time?",
        (Step("i", r"Metrics"), Step("L", r"Live events"), Step("p", r"Events stand still here")),
    ),
    Stop(
        "Now change something",
        (
            Step("W", r"y/N"),
            Step("y", r"Unlocked: .*r retry.*P purge"),
            Step("A", r"Audit"),
            Step("?", r"Everywhere"),
            Step(ESC, r"Audit"),
            Step("1", r"1 Workers"),
            Step(SPACE, r"worker "),
            Step(ESC, r"1 Workers"),
        ),
    ),
)


def section(heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M)
    assert found is not None, heading
    return found[1]


@pytest.mark.parametrize("stop", TOUR, ids=lambda stop: stop.heading)
def test_the_page_names_each_key_of_the_walk(stop: Stop) -> None:
    text = section(stop.heading) + ("`z`" if stop.heading == "Which tasks?" else "")
    named = set(re.findall(r"`([^`]+)`", text)) | {"1", "2", "3", "4", "y", "esc"}
    keys = {NAMES.get(step.key, step.key) for step in stop.steps if not step.typed}
    assert keys <= named, keys - named


def test_each_part_of_the_page_is_walked() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.M) == [stop.heading for stop in TOUR]


@pytest.fixture
def demo() -> Iterator[Terminal]:
    home = os.environ["HOME"]
    state = {name: f"{home}/{name.lower()}" for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    words = ("-m", "lazycelery", "demo", "--seed", "4")
    terminal = Terminal(*words, width=120, height=35, HOME=home, **state)
    family: list[psutil.Process] = []
    try:
        terminal.until(lambda: "pics@shop" in terminal.text and "mail@shop" in terminal.text, 40)
        family = psutil.Process(terminal.process.pid).children(recursive=True)
        yield terminal
    finally:
        terminal.close()
        psutil.wait_procs(family, 10)


@pytest.mark.broker
@pytest.mark.pty
@pytest.mark.soak
def test_the_tour_is_walked_on_the_living_demo(demo: Terminal) -> None:
    demo.until(lambda: re.search(r"3 Tasks \d", plain(demo.text)) is not None, 20)
    keys = 0
    for stop in TOUR:
        for step in stop.steps:
            demo.send(step.key)
            keys += 0 if step.typed else 1
            demo.until(lambda step=step: re.search(step.seen, plain(demo.text)) is not None, 15)
            demo.read(0.3)
    assert keys <= MOST
    demo.send("q")
    assert demo.ended(15) == 0
