"""The terminal is read on the screen's loop, and what is painted makes way for a key that was read."""

from __future__ import annotations

import asyncio
import os
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from lazycelery.tui import wire
from lazycelery.tui.reader import Reading, reading_on_the_loop
from tests.tui.conftest import Stage, staged

ESCAPES = 0.15
"""Seconds after which an escape that nothing followed is a key."""


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


class Driver:
    """As much of Textual's as a reading needs."""

    _debug = False

    def __init__(self, fileno: int) -> None:
        self.fileno = fileno
        self._loop = asyncio.get_running_loop()
        self.came: list[Message] = []

    def process_message(self, message: Message) -> None:
        self.came.append(message)

    async def keys(self, number: int) -> list[str]:
        """So many keys, as soon as they are there."""
        await until(lambda: len(self.came) >= number)
        return [one.key for one in self.came if isinstance(one, events.Key)]


def begun(fileno: int) -> tuple[Driver, Reading]:
    """A driver, and what reads for it."""
    driver = Driver(fileno)
    reading = Reading(driver)
    reading.begin()
    return driver, reading


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Where a person types, and where a program reads it."""
    person, program = os.openpty()
    tty.setraw(program)
    yield person, program
    for end in (person, program):
        try:
            os.close(end)
        except OSError:  # The test has closed it.
            continue


async def test_keys_are_read_without_a_thread(terminal: tuple[int, int]) -> None:
    person, program = terminal
    driver, reading = begun(program)
    assert reading.begun()
    os.write(person, b"j\x1b[Aq")
    assert await driver.keys(3) == ["j", "up", "q"]
    reading.end()


async def test_a_sign_that_is_torn_apart_is_whole_and_a_stray_byte_ends_nothing(
    terminal: tuple[int, int],
) -> None:
    person, program = terminal
    driver, reading = begun(program)
    first, rest = "ä".encode()[:1], "ä".encode()[1:]
    os.write(person, first)
    await asyncio.sleep(0.05)
    assert not driver.came
    os.write(person, rest + b"\xffj")
    await driver.keys(3)
    told = [one.character for one in driver.came if isinstance(one, events.Key)]
    assert told == ["ä", "\ufffd", "j"]
    reading.end()


@pytest.mark.parametrize("sequence", ["\x1b[97;1:3u", "\x1b[1;2:1A", "\x1b[:;u", "\x1b[1114112;1u"])
async def test_a_sequence_that_nobody_understands_makes_nobody_deaf(
    terminal: tuple[int, int], sequence: str
) -> None:
    person, program = terminal
    driver, reading = begun(program)
    os.write(person, sequence.encode())
    await asyncio.sleep(0.05)
    os.write(person, b"j")
    assert (await driver.keys(1))[-1] == "j"
    reading.end()


async def test_a_signal_that_ends_it_while_it_begins_leaves_nothing_read(terminal: tuple[int, int]) -> None:
    person, program = terminal
    driver = Driver(program)
    reading = Reading(driver)

    class Struck:
        """The loop, and a signal's handler in the middle of it."""

        def add_reader(self, *told: object) -> None:
            asyncio.get_running_loop().add_reader(*told)  # type: ignore[arg-type]
            reading.end()

        def remove_reader(self, fileno: int) -> bool:
            return asyncio.get_running_loop().remove_reader(fileno)

    driver._loop = Struck()  # type: ignore[assignment]
    reading.begin()
    assert reading.begun()
    os.write(person, b"x")
    await asyncio.sleep(0.05)
    assert not driver.came


async def test_an_escape_that_nothing_follows_is_a_key(terminal: tuple[int, int]) -> None:
    person, program = terminal
    driver, reading = begun(program)
    os.write(person, b"\x1b")
    assert await driver.keys(1) == ["escape"]
    await asyncio.sleep(ESCAPES)
    os.write(person, b"\x1bj")
    assert await driver.keys(3) == ["escape", "escape", "j"]
    reading.end()


async def test_a_terminal_that_is_lent_is_not_read(terminal: tuple[int, int]) -> None:
    person, program = terminal
    driver, reading = begun(program)
    os.write(person, b"\x1b")
    await asyncio.sleep(0.02)
    reading.end()
    os.write(person, b"x")
    await asyncio.sleep(ESCAPES)
    assert not driver.came, "neither the key nor the escape before it"
    assert os.read(program, 9) == b"x", "it is for whom the terminal is lent to"
    again = Reading(driver)
    again.begin()
    os.write(person, b"k")
    assert await driver.keys(1) == ["k"]
    again.end()


async def test_one_that_ended_before_it_began_reads_nothing(terminal: tuple[int, int]) -> None:
    person, program = terminal
    driver = Driver(program)
    reading = Reading(driver)
    reading.end()
    reading.begin()
    assert reading.begun(), "the thread does not read in its place"
    os.write(person, b"x")
    await asyncio.sleep(0.05)
    assert not driver.came


async def test_a_terminal_that_went_away_is_not_read_again_and_again(terminal: tuple[int, int]) -> None:
    person, program = terminal
    _, reading = begun(program)
    os.close(person)
    await until(lambda: reading._ended)
    assert not asyncio.get_running_loop().remove_reader(program)


async def test_what_the_loop_cannot_wait_for_is_left_to_the_thread(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("j")
    with (tmp_path / "keys").open() as file:
        reading = Reading(Driver(file.fileno()))
        reading.begin()
        assert not reading.begun()


def test_only_a_driver_that_is_known_is_another_one() -> None:
    class Foreign(events.Message):  # type: ignore[name-defined]
        pass

    assert issubclass(reading_on_the_loop(LinuxDriver), LinuxDriver)
    assert reading_on_the_loop(LinuxDriver) is reading_on_the_loop(LinuxDriver)
    assert reading_on_the_loop(Foreign) is Foreign


async def changed(stage: Stage) -> None:
    """Something else is to be painted."""
    stage.app.desk.talk.say("Something else.", "dim")
    stage.app.paint()
    await stage.pilot.pause(0.05)


async def test_what_is_painted_makes_way_for_a_key_that_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "TURN", 60.0)
    async with staged() as stage:
        key = events.Key("j", "j")
        stage.app.typed(key)
        await changed(stage)
        assert "Something else." not in stage.text
        stage.app.has_turn(events.Key("k", "k"))
        await changed(stage)
        assert "Something else." not in stage.text, "the newest one still waits"
        stage.app.has_turn(key)
        await stage.until("Something else.")


async def test_a_key_that_never_comes_holds_nothing_for_long() -> None:
    async with staged() as stage:
        stage.app.typed(events.Key("j", "j"))
        await changed(stage)
        await stage.until("Something else.")


async def test_of_two_keys_the_first_answer_is_painted_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "TURN", 60.0)
    async with staged() as stage:
        await stage.press("3", "j")
        part = next(part for part in stage.app.dashboard._parts if part.id == "main")
        drawn: list[bool] = []
        sync = part.sync
        monkeypatch.setattr(part, "sync", lambda: (drawn.append(True), sync())[1])
        behind = events.Key("k", "k")
        stage.app.typed(behind)
        stage.app.dashboard.on_key(events.Key("j", "j"))
        assert not drawn
        stage.app.dashboard.on_key(behind)
        assert drawn
