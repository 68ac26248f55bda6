"""The table of actions: what the screen can do, with which key, and how dangerous it is.

Plain data. Bindings, footer, help, docs/keys.md, keymap checks and read-only mode derive from it.
Run `python -m lazycelery.keys > docs/keys.md` after a change.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from lazycelery.errors import UsageError
from lazycelery.model.action import Level

Scope = Literal["everywhere", "workers", "queues", "tasks", "findings", "clusters"]
"""Where an action exists: always, while the pane of that name leads, or in the list of clusters."""

SCOPES: dict[Scope, str] = {
    "everywhere": "Everywhere",
    "workers": "On a worker",
    "queues": "On a queue",
    "tasks": "On a task",
    "findings": "On a finding",
    "clusters": "In the list of clusters",
}


@dataclass(frozen=True)
class Action:
    """One thing the screen can do."""

    id: str
    keys: tuple[str, ...]
    """Chords: one printable character, or a name such as `enter`, `ctrl+r`, `f5`."""
    text: str
    """What it does, as help and docs say it."""
    label: str = ""
    """The same in a word or two, for the footer."""
    scope: Scope = "everywhere"
    danger: Level = "none"
    """The least confirmation it asks; a plan may ask for more."""
    permission: str | None = None
    """The permission it needs; without it the key says so and does nothing."""
    question: str = ""
    """What is asked before it is done."""
    rank: int | None = None
    """Place in the footer, lowest first; `None` stays out of it."""
    menu: bool = False
    """Whether the menu of a thing offers it too, though it exists everywhere."""


ACTIONS: tuple[Action, ...] = (
    Action("pane.workers", ("1",), "Go to the workers"),
    Action("pane.queues", ("2",), "Go to the queues"),
    Action("pane.tasks", ("3",), "Go to the tasks"),
    Action("pane.findings", ("4",), "Go to the findings"),
    Action("pane.next", ("tab", "l", "right"), "Next pane", "pane", rank=11),
    Action("pane.previous", ("shift+tab", "h", "left"), "Previous pane"),
    Action("move.down", ("j", "down"), "Move down", "move", rank=10),
    Action("move.up", ("k", "up"), "Move up"),
    Action("move.half_down", ("ctrl+d",), "Half a page down"),
    Action("move.half_up", ("ctrl+u",), "Half a page up"),
    Action("move.page_down", ("pagedown", "ctrl+f"), "A page down"),
    Action("move.page_up", ("pageup", "ctrl+b"), "A page up"),
    Action("move.top", ("g", "home"), "To the first line; the tasks follow the newest there"),
    Action("move.bottom", ("G", "end"), "To the last line"),
    Action("main.down", ("J",), "Scroll the main side down"),
    Action("main.up", ("K",), "Scroll the main side up"),
    Action("open", ("enter",), "Open: a worker's or queue's tasks, a task's page", "open", rank=4, menu=True),
    Action("back", ("escape",), "One step back", "back"),
    Action("hit.next", ("n",), "Next hit of a search, or of a filter"),
    Action("hit.previous", ("N",), "Previous hit of a search, or of a filter"),
    Action("wrap", ("w",), "Long lines of the main side: fold, or cut"),
    Action("outside", ("o",), "Open the main side in $PAGER or $EDITOR"),
    Action("view.live", ("L",), "Live events, as they come"),
    Action("view.audit", ("A",), "The audit log: who did what"),
    Action("view.metrics", ("i",), "Metrics: rates, times, backlog over a minute and an hour, or more"),
    Action("filter", ("/",), "Filter the list", "filter", rank=5),
    Action("command", (":",), "Command line: every action by its name, tasks FILTER, queue NAME"),
    Action("palette", ("ctrl+p",), "Find an action by a part of what it does"),
    Action("views", ("V",), "Saved views: choose one; :save NAME keeps filter and order of the tasks"),
    Action("faults", ("f",), "Faults only", "faults", rank=8),
    Action(
        "sort", ("S",), "Sort by the next column; a click on a column's name does it too", "sort", rank=12
    ),
    Action("sort.reverse", ("I",), "Sort from the other end"),
    Action("menu", ("space",), "Menu of what is possible here; a line or its key does it", "menu", rank=6),
    Action("mark", ("m",), "Mark, or unmark; what is done next is done to all that are marked"),
    Action("mark.all", ("M",), "Mark all that are shown"),
    Action("copy.id", ("y",), "Copy the name or id", menu=True),
    Action("copy.json", ("Y",), "Copy all of it as JSON", menu=True),
    Action("tab.next", ("]",), "Next tab of the main side; other spans of the metrics", "tabs", rank=8),
    Action("tab.previous", ("[",), "Previous tab of the main side"),
    Action("size.grow", ("+",), "More room for what is focused", "size", rank=13),
    Action("size.shrink", ("_",), "Less room for what is focused"),
    Action("size.alone", ("z",), "What is focused alone, and back"),
    Action("refresh", ("ctrl+r",), "Ask workers and broker again now"),
    Action("pause", ("p",), "Hold the screen still; the engine goes on", "pause"),
    Action("brokers", ("b",), "All clusters, a line each: the profiles of the configuration", "clusters"),
    Action("cluster.next", ("}",), "Next open cluster", "next"),
    Action("cluster.previous", ("{",), "Previous open cluster"),
    Action("cluster.close", ("x",), "Close it: its engine ends", "close", scope="clusters"),
    Action("theme", ("T",), "Next theme"),
    Action("utc", ("U",), "Times in UTC, or local"),
    Action(
        "events",
        ("E",),
        "Task events on for this session, or off again",
        "events",
        danger="letter",
        permission="events",
        question="Which workers are told to send task events, or to stop",
        rank=9,
        menu=True,
    ),
    Action(
        "undo",
        ("u",),
        "Undo the last action that can be: a purge, a pool's size, consumers, a hold, limits",
        "undo",
        danger="letter",
        permission="restore",
        question="What is put back; other undos than a purge's need the permission of what they undo",
    ),
    Action("unlock", ("W",), "Unlock dangerous keys for this session, or lock again", "unlock", rank=7),
    Action("help", ("?",), "This help", "help", rank=0),
    Action("quit", ("q", "ctrl+c"), "Quit", "quit", rank=1),
    Action(
        "pool",
        ("P",),
        "Pool: grow, shrink, size, autoscale, restart",
        "pool",
        scope="workers",
        danger="letter",
        permission="pool",
        question="From which size to which, and what cannot be changed",
        rank=2,
    ),
    Action(
        "consume",
        ("c",),
        "Consumers: let it consume a queue, or no more",
        "consumers",
        scope="workers",
        danger="letter",
        permission="consumers",
        question="Which queue, and who is left without a consumer",
        rank=3,
    ),
    Action("statistics", ("s",), "Statistics: ping, clock, memory, tasks accepted", scope="workers"),
    Action(
        "shutdown",
        ("X",),
        "Shut it down, warmly",
        "shut down",
        scope="workers",
        danger="typed",
        permission="shutdown",
        question="What it runs, which queues nobody else consumes, and its name to type",
    ),
    Action("peek", ("v",), "Look at the waiting messages", "peek", scope="queues", rank=2),
    Action(
        "purge",
        ("P",),
        "Purge the queue; its messages are saved first",
        "purge",
        scope="queues",
        danger="typed",
        permission="purge",
        question="The number of messages, where the backup goes, and the queue's name to type",
        rank=3,
    ),
    Action(
        "move",
        ("O",),
        "Move messages to another queue, or dead letters home",
        "move",
        scope="queues",
        danger="letter",
        permission="move",
        question="How many messages go where, and where the backup goes",
    ),
    Action(
        "delete",
        ("D",),
        "Delete the messages that match a filter; they are saved first",
        "delete",
        scope="queues",
        danger="typed",
        permission="delete",
        question="How many messages match, where the backup goes, and the queue's name to type",
    ),
    Action(
        "orphans",
        ("R",),
        "Restore messages that no living worker holds (Redis)",
        "orphans",
        scope="queues",
        danger="typed",
        permission="restore",
        question="Which messages, the proof that nobody holds them, and their number to type",
    ),
    Action(
        "consumers",
        ("c",),
        "Consumers: let a worker consume it, or no more",
        "consumers",
        scope="queues",
        danger="letter",
        permission="consumers",
        question="Which worker, and whether anybody else consumes it",
    ),
    Action(
        "hold",
        ("H",),
        "Hold the queue: nobody takes from it; again resumes it",
        "hold",
        scope="queues",
        danger="letter",
        permission="consumers",
        question="At which workers, and what a hold does not reach",
        rank=9,
    ),
    Action(
        "retry",
        ("r",),
        "Run the task again as a new one",
        "retry",
        scope="tasks",
        danger="letter",
        permission="retry",
        question="How faithful the copy is (exact, arguments) and to which queue it goes",
        rank=2,
    ),
    Action(
        "revoke",
        ("x",),
        "Revoke: workers drop it instead of running it",
        "revoke",
        scope="tasks",
        danger="letter",
        permission="revoke",
        question="Which task, and what a revoke does not survive",
        rank=3,
    ),
    Action(
        "flow", ("F",), "Its family: the tree of its canvas, and what holds it up", "family", "tasks", rank=4
    ),
    Action(
        "terminate",
        ("X",),
        "Terminate: end the process that runs it",
        "terminate",
        scope="tasks",
        danger="typed",
        permission="terminate",
        question="Which task, with which signal, and a word to type",
    ),
    Action(
        "send",
        ("R",),
        "Run it again, edited: arguments, queue, ETA, priority",
        "retry edited",
        scope="tasks",
        danger="letter",
        permission="send",
        question="The task as it was written, and its queue",
    ),
    Action(
        "limit",
        ("a",),
        "Limit tasks of this name: rate, or time",
        "limit",
        scope="tasks",
        danger="letter",
        permission="limits",
        question="What each worker has now and would have",
    ),
)

_NAMES = """
enter escape tab shift+tab space up down left right home end pageup pagedown insert delete backspace
shift+up shift+down shift+left shift+right shift+home shift+end f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12
"""
NAMED = frozenset(_NAMES.split())
"""Chords that have a name."""
DEAD = {
    "ctrl+i": "a terminal sends it as tab",
    "ctrl+m": "a terminal sends it as enter",
    "ctrl+h": "a terminal sends it as backspace",
    "ctrl+j": "a terminal sends it as enter",
    "ctrl+z": "it is the terminal's own",
    "ctrl+s": "it stops the terminal's output",
    "ctrl+q": "it always quits",
}
SYMBOLS = {
    "enter": "⏎",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}
"""How a chord is written on the screen, where its name is longer."""


class Keymap:
    """Which key does what, where. Made of the table and a person's changes to it."""

    def __init__(self, actions: Sequence[Action] = ACTIONS) -> None:
        self.actions = tuple(actions)
        self._by_chord = {(action.scope, chord): action for action in actions for chord in action.keys}
        self._by_id = {action.id: action for action in actions}

    def find(self, chord: str, scope: Scope) -> Action | None:
        """The action of a chord while the pane `scope` leads, or `None`."""
        return self._by_chord.get((scope, chord)) or self._by_chord.get(("everywhere", chord))

    def __getitem__(self, id: str) -> Action:
        return self._by_id[id]

    def here(self, scope: Scope) -> list[Action]:
        """What is possible while the pane `scope` leads, its own actions first."""
        own = [action for action in self.actions if action.scope == scope]
        return own + [action for action in self.actions if action.scope == "everywhere" != scope]

    def menu(self, scope: Scope) -> list[Action]:
        """What may be done with a thing of the pane `scope`: opening first, then its own actions."""
        offered = [action for action in self.here(scope) if action.scope == scope or action.menu]
        return sorted(offered, key=lambda action: action.id != "open")

    def footer(self, scope: Scope, allowed: Sequence[str]) -> list[Action]:
        """What the footer names, best first. An action without its permission is left out."""
        shown = [
            action
            for action in self.here(scope)
            if action.rank is not None and (action.permission is None or action.permission in allowed)
        ]
        return sorted(shown, key=lambda action: action.rank or 0)


def keymap(changes: Mapping[str, str | Sequence[str]], clashes: bool = True) -> Keymap:
    """The table with a person's own keys: action id -> chords (a list, or one text with commas).

    Raises `UsageError` for an unknown id, a chord no terminal sends, and two actions on one key (unless
    `clashes` is false: only each key by itself is looked at).
    """
    own = {name: _chords(name, keys) for name, keys in changes.items() if _known(name)}
    actions = [replace(action, keys=own.get(action.id, action.keys)) for action in ACTIONS]
    if clashes:
        _check_clashes(actions, own)
    return Keymap(actions)


def symbol(chord: str) -> str:
    """A chord as it is written on the screen."""
    return SYMBOLS.get(chord, chord)


def _known(id: str) -> bool:
    ids = [action.id for action in ACTIONS]
    if id in ids:
        return True
    near = get_close_matches(id, ids, 1, 0.4)
    hint = f"Did you mean {near[0]}?" if near else "docs/keys.md lists all actions."
    raise UsageError(f"keymap.{id}: there is no such action.", hint)


def _chords(id: str, keys: str | Sequence[str]) -> tuple[str, ...]:
    listed = [part.strip() for part in keys.split(",")] if isinstance(keys, str) and keys != "," else keys
    chords = tuple(listed)
    if not chords:
        raise UsageError(f"keymap.{id}: no key is given.", 'Write a key, such as "n" or ["ctrl+n", "down"].')
    for chord in chords:
        _check_chord(id, chord)
    return chords


def _check_chord(id: str, chord: str) -> None:
    if chord in DEAD:
        raise UsageError(f'keymap.{id}: "{chord}" cannot be used: {DEAD[chord]}.', "Choose another key.")
    if chord in NAMED or re.fullmatch(r"ctrl\+[a-z]", chord):
        return
    if len(chord) == 1 and chord.isprintable() and not chord.isspace():
        return
    near = get_close_matches(chord, sorted(NAMED), 1, 0.6)
    hint = (
        f"Did you mean {near[0]}?"
        if near
        else "One character, ctrl+a to ctrl+z, f1 to f12, or a name (enter, pageup)."
    )
    raise UsageError(f'keymap.{id}: "{chord}" is not a key that a terminal sends.', hint)


def _check_clashes(actions: Sequence[Action], changed: Mapping[str, object]) -> None:
    for scope in SCOPES:
        taken: dict[str, Action] = {}
        for action in actions:
            if action.scope not in ("everywhere", scope):
                continue
            for chord in action.keys:
                other = taken.setdefault(chord, action)
                if other is not action:
                    mine, theirs = (action, other) if action.id in changed else (other, action)
                    raise UsageError(
                        f'keymap.{mine.id}: "{chord}" is already the key of {theirs.id} ({theirs.text}).',
                        f"Choose another key, or give {theirs.id} another one too.",
                    )


def document() -> str:
    """docs/keys.md: the table for people."""
    parts = ["# Keys\n", _PREFACE]
    for scope, title in SCOPES.items():
        if not any(action.scope == scope for action in ACTIONS):
            continue
        parts.append(
            f"\n## {title}\n\n| key | what it does | action | needs | asks |\n|---|---|---|---|---|\n"
        )
        parts += [_row(action) for action in ACTIONS if action.scope == scope]
    return "".join(parts)


_PREFACE = """
One table in `lazycelery/keys.py` holds them all; this page is made from it.
Keys that change something in the cluster need a permission. A session starts read-only: `W` unlocks what the
profile permits. They ask in the footer line, and Enter always means No.

Change a key in a profile's `keymap`, by its action: `retry = "f9"`, or `"move.down" = ["ctrl+n", "down"]`.
A key that is taken, an unknown action and a key no terminal sends are errors at the start.
"""


def _row(action: Action) -> str:
    shown = " ".join(f"`{symbol(chord)}`" for chord in action.keys)
    needs = f"`{action.permission}`" if action.permission else ""
    how = {"none": "", "letter": " (y/N)", "typed": " (typed)"}[action.danger]
    return f"| {shown} | {action.text} | `{action.id}` | {needs} | {action.question}{how} |\n"


if __name__ == "__main__":
    sys.stdout.write(document())
