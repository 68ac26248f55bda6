"""Keys that arrive in one packet, or torn apart, are the keys that were typed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from lazycelery.tui.typed import TypedAhead


def keys(parser: XTermParser, packets: tuple[str, ...], rest: float = 0.0) -> list[str]:
    """What a terminal's packets are taken for, `rest` seconds apart; nothing follows the last."""

    def told() -> Iterator[str]:
        for packet in packets:
            for event in [*parser.tick(), *parser.feed(packet), *parser.tick()]:
                yield (
                    f"paste {event.text}"
                    if isinstance(event, events.Paste)
                    else str(getattr(event, "key", event))
                )
            time.sleep(rest)
        time.sleep(0.15)
        yield from (str(getattr(event, "key", event)) for event in parser.tick())

    return list(told())


@pytest.mark.parametrize(
    ("packets", "typed"),
    [
        (("\x1be",), ["escape", "e"]),
        (("\x1b:",), ["escape", "colon"]),
        (("\x1b3",), ["escape", "3"]),
        (("\x1bX",), ["escape", "X"]),
        (("\x1b\x1bq",), ["escape", "escape", "q"]),
        (("\x1b", "q"), ["escape", "q"]),
        (("\x1bé",), ["escape", "é"]),
        (("\x1b\r",), ["escape", "enter"]),
        (("e\x1bjj\x1b[A",), ["e", "escape", "j", "j", "up"]),
        (("\x1b", "[A"), ["up"]),
        (("\x1b[", "A\x1b", "OP"), ["up", "f1"]),
        (("\x1b",), ["escape"]),
        (("\x1b[200~ab\x1b[201~", "c"), ["paste ab", "c"]),
        (("\x1b[20", "0~a", "b\x1b", "[201~\x1bc"), ["paste ab", "escape", "c"]),
    ],
)
def test_an_escape_is_a_key_of_its_own(packets: tuple[str, ...], typed: list[str]) -> None:
    assert keys(TypedAhead(), packets) == typed


@pytest.mark.parametrize("next", ["q", "\r", ":", "\x1b[A", "é"])
def test_an_escape_that_was_told_already_leaves_the_next_key_alone(next: str) -> None:
    alone = keys(TypedAhead(), (next,))
    assert keys(TypedAhead(), ("\x1b", next, "\x1b", next), rest=0.15) == ["escape", *alone, "escape", *alone]


def test_an_escape_in_one_packet_with_what_begins_a_sequence_is_dropped_and_nothing_else_is() -> None:
    for bracket, name in (("[", "left_square_bracket"), ("]", "right_square_bracket")):
        assert keys(TypedAhead(), (f"\x1b{bracket}", "j", "q"), rest=0.15) == [name, "j", "q"]
        assert keys(TypedAhead(), ("\x1b", bracket, "j"), rest=0.15) == ["escape", name, "j"]


def test_an_escape_within_a_paste_is_left_to_textual() -> None:
    packets = ("\x1b[200~a\x1bb\x1b[201~", "c")
    assert keys(TypedAhead(), packets) == keys(XTermParser(), packets)


def test_textual_alone_loses_it() -> None:
    assert "escape" not in keys(XTermParser(), ("\x1b:",)), "Textual has mended it: `typed` can go."
