"""The line of a recording that plays: where it is, how fast, and the keys that move it."""

from __future__ import annotations

from lazycelery.model.reel import Reel
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.line import Line, length
from lazycelery.tui.presentation.look import Look

LEAST = 10
"""Cells of the bar, at least; the keys go first."""
NARROW = 50
"""Cells from which on the end has room."""
KEYS = (
    (("replay.pause",), "hold"),
    (("replay.step",), "step"),
    (("replay.back", "replay.forward"), "10s"),
    (("replay.far_back", "replay.far_forward"), "far"),
    (("replay.slower", "replay.faster"), "pace"),
)


def reel_line(reel: Reel, look: Look, width: int) -> Line:
    """Place, bar and end of a recording; `look.now` is where it is by now. On its way to another moment the
    knob stands there, and the line behind it tells how far it has come."""
    left, room, end, keys = _parts(reel, look, width)
    done, across = _cell(reel, look.now, room), look.signs.across
    knob = done if reel.played is None else max(done, _cell(reel, reel.at, room))
    bar: Line = (
        (across * done, "accent"),
        (across * (knob - done), "dim"),
        (look.signs.online, "accent"),
        (across * (room - 1 - knob), "dim"),
    )
    return (*left, *bar, *end, *keys)


def _cell(reel: Reel, at: float, room: int) -> int:
    at = min(max(at, reel.start), reel.end)
    share = (at - reel.start) / (reel.end - reel.start) if reel.end > reel.start else 1.0
    return min(room - 1, round(share * (room - 1)))


def moment_at(reel: Reel, look: Look, width: int, x: int) -> float | None:
    """The moment that stands at a cell of the bar; `None` beside it."""
    left, room, _, _ = _parts(reel, look, width)
    place = x - length(left)
    return reel.start + (reel.end - reel.start) * place / (room - 1) if 0 <= place < room else None


def _parts(reel: Reel, look: Look, width: int) -> tuple[Line, int, Line, Line]:
    """What is left of the bar, its cells, and what is right of it: the end, and keys as far as they fit."""
    at = min(max(look.now, reel.start), reel.end)
    state = "ended" if at >= reel.end else "held" if reel.paused else "plays"
    if reel.played is not None:
        state = "seeks"
    # Where it does not run anyway, the next jump leads to where it plays, or is held.
    then = (
        ("held ", "warn")
        if reel.paused and state in ("ended", "seeks")
        else (f"{reel.speed:g}x".ljust(5), "dim")
    )
    left: Line = (
        (f" {state:<5} ", "warn" if state != "plays" else "run"),
        then,
        (f" {q.clock(at, look.utc)} ", "title"),
    )
    end: Line = ((f" {q.clock(reel.end, look.utc)} ", "dim"),) if width >= NARROW else ()
    keys = _keys(look)
    while keys and length(left) + length(end) + sum(map(length, keys)) + 2 * LEAST > width:
        keys.pop()
    room = max(LEAST, width - length(left) - length(end) - sum(map(length, keys)) - 1)
    return left, room, end, tuple(span for key in keys for span in key)


def _keys(look: Look) -> list[Line]:
    return [
        ((" ".join(look.key(id) for id in ids), "accent"), (f" {text}  ", "dim"))  # noqa: A001
        for ids, text in KEYS
    ]
