"""The command line: every action of the table by its name, and a few that take a word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lazycelery.errors import UsageError
from lazycelery.keys import SCOPES, Action, Keymap, Scope, symbol
from lazycelery.model.completion import Completion
from lazycelery.model.reel import Reel
from lazycelery.tui.entry import Entry
from lazycelery.tui.errands import Errands
from lazycelery.tui.filtering import FilterLine
from lazycelery.tui.matching import distance, nearest
from lazycelery.tui.saved import SavedViews
from lazycelery.tui.talk import Talk

SILENT = ("command", "palette", "back", "open", "menu")
"""Actions that mean nothing as a command."""
ALIASES = {"q": "quit", "cluster": "brokers", "view": "views", "beat": "view.beat"}
"""Actions that are called by another word."""
SHELL = {"stats": "metrics", "doctor": "findings", "messages": "peek"}
"""What `lazycelery` calls so is called so here."""
KIND = "commands"
"""Under which they are remembered."""


@dataclass(frozen=True)
class Verb:
    """A command."""

    name: str
    text: str
    wants: str = ""
    """What its word is: FILTER, or NAME of a queue, worker, theme, view; empty where it takes none."""
    kind: str = ""
    """Whose names can be its word."""


OWN: tuple[Verb, ...] = (
    Verb("q", "Quit"),
    Verb("workers", "Go to the workers"),
    Verb("queues", "Go to the queues"),
    Verb("tasks", "Go to the tasks, those that match", "FILTER"),
    Verb("queue", "Go to a queue", "NAME", "queues"),
    Verb("worker", "Go to a worker", "NAME", "workers"),
    Verb("cluster", "Go to a cluster, or open it", "NAME", "clusters"),
    Verb("theme", "Next theme, or this one", "NAME", "themes"),
    Verb("errors", "Errors in groups, of the tasks that match", "FILTER"),
    Verb("deploy", "Set a deploy mark: what fails first after it is new", "NAME"),
    Verb("sort", "Sort by the next column, or by this one; again from the other end", "NAME", "orders"),
    Verb("save", "Save filter and order of the tasks under a name", "NAME", "views"),
    Verb("view", "Show a saved view, or choose one", "NAME", "views"),
    Verb("forget", "Forget a saved view", "NAME", "views"),
    Verb("beat", "What is scheduled: last and next run, what is late"),
    Verb("purge", "Purge a queue; its messages are saved first", "NAME", "queues"),
)


class Room(Protocol):
    """What commands are done to."""

    @property
    def keys(self) -> Keymap:
        """The table."""

    @property
    def scope(self) -> Scope:
        """Where keys are looked up: the pane that leads, or the list in front of it."""

    @property
    def reel(self) -> Reel | None:
        """The recording that plays."""

    def names(self, kind: str) -> Sequence[str]:
        """Names of `workers`, `queues`, `themes`, `clusters`, `orders` or saved `views`."""

    def perform(self, action: Action) -> None:
        """Do an action."""

    def press(self, chord: str, character: str | None) -> None:
        """Take a key."""

    def lead_to_subject(self, scope: Scope) -> bool:
        """Go to what the finding under the cursor is about, where that is of this pane."""

    def visit(self, scope: Scope, name: str) -> None:
        """Put the cursor on a thing."""

    def filter_tasks(self, text: str) -> None:
        """Show the tasks that match."""

    def show_errors(self, filter: str = "") -> None:
        """Open the list of errors, of tasks that match."""

    def deploy(self, name: str) -> None:
        """Set a deploy mark. Raises `UsageError` without a name."""

    def use_theme(self, name: str) -> None:
        """Turn to a theme."""

    def go_to_cluster(self, name: str) -> None:
        """Bring a cluster to the front."""

    def sort_as(self, name: str) -> None:
        """Sort the leading list by an order of this name."""

    @property
    def saved(self) -> SavedViews:
        """The saved views."""

    def show_view(self, name: str) -> None:
        """Show a saved view."""

    def purge(self, name: str) -> None:
        """Purge a queue, after a question."""


class Commands:
    """Understands, completes and runs what is typed after the colon."""

    def __init__(self, room: Room, talk: Talk, errands: Errands, filters: FilterLine) -> None:
        self._room = room
        self._talk = talk
        self._errands = errands
        self._filters = filters

    def open(self, palette: bool = False) -> None:
        """Type a command, or choose one by any part of what it does."""

        def end(text: str, entered: bool) -> None:
            if entered:
                self._filters.remember(KIND, text.strip())
                self.run(text)

        past = self._filters.past(KIND)
        entry = Entry(" \u25b8 " if palette else " :", "", end, wish=self._wish, past=past, palette=palette)
        self._talk.typing = entry
        entry.wish()

    # ---- running

    def run(self, text: str) -> None:
        """Do it, or say what is wrong with it."""
        try:
            self._run(text)
        except UsageError as problem:
            self._talk.say(str(problem), "warn")

    def saying(self, do: Callable[[str], None]) -> Callable[[str], None]:
        """The same, where a problem is told instead of raised."""

        def run(word: str) -> None:
            try:
                do(word)
            except UsageError as problem:
                self._talk.say(str(problem), "warn")

        return run

    def _run(self, text: str) -> None:
        name, _, word = text.strip().removeprefix(":").partition(" ")
        if not name:
            return
        word = word.strip()
        verb = next((verb for verb in self.verbs() if verb.name == name), None) or self._shown(name)
        if verb is None:
            raise self._unknown(name)
        if word and not verb.wants:
            raise UsageError(f":{name} takes no word.", f"It was given {word!r}.")
        self._do(verb, word)

    def _shown(self, name: str) -> Verb | None:
        """A view, a pane or an action by the word alone, or by that of the shell."""
        name = SHELL.get(name, name)
        own = (f"view.{name}", f"pane.{name}", name)
        found = next(
            (action for each in own for action in self._room.keys.actions if action.id == each), None
        )
        return Verb(found.id, found.text) if found is not None else None

    def _do(self, verb: Verb, word: str) -> None:
        room = self._room
        if verb.kind in ("workers", "queues") and (word or verb.name != "purge"):
            scope: Scope = "workers" if verb.kind == "workers" else "queues"
            found = self._named(verb, word)
            room.purge(found) if verb.name == "purge" else room.visit(scope, found)
        elif verb.name == "theme" and word:
            room.use_theme(self._named(verb, word))
        elif verb.name == "cluster" and word:
            room.go_to_cluster(self._named(verb, word))
        elif verb.name == "sort" and word:
            room.sort_as(self._named(verb, word))
        elif verb.name == "view" and word:
            room.show_view(word)
        elif verb.name in ("save", "forget"):
            room.saved.save(word) if verb.name == "save" else room.saved.forget(word)
        elif verb.name == "errors":
            room.show_errors(word)
        elif verb.name == "deploy":
            room.deploy(word)
        elif verb.name == "tasks":
            room.filter_tasks(word)
        else:
            self._perform(ALIASES.get(verb.name, verb.name))

    def _perform(self, name: str) -> None:
        ids = {action.id for action in self._room.keys.actions}
        action = self._room.keys[name if name in ids else f"pane.{name}"]
        if action.scope == "replay" and self._room.reel is None:
            raise UsageError(f":{name} works in a replay.", "lazycelery replay FILE opens one.")
        if self._room.scope == "findings" and self._room.lead_to_subject(action.scope):
            # As a key: what is not there yet is waited for.
            self._room.press(action.keys[0], action.keys[0] if len(action.keys[0]) == 1 else None)
            return
        if action.scope not in ("everywhere", "replay", self._room.scope):
            where = SCOPES[action.scope].lower()
            views = {"clusters": "brokers", "beat": "view.beat", "errors": "view.errors"}
            goes = views.get(action.scope, f"pane.{action.scope}")
            key = symbol(self._room.keys[goes].keys[0])
            raise UsageError(f":{name} works {where}.", f"{key} goes to the {action.scope}.")
        self._room.perform(action)

    def _named(self, verb: Verb, word: str) -> str:
        names = self._room.names(verb.kind)
        if word in names:
            return word
        parts = [name for name in names if word and word in name]
        if len(parts) == 1 and verb.name != "purge":
            return parts[0]
        what = verb.kind.removesuffix("s")
        if not word:
            raise UsageError(f"Which {what}?", f":{verb.name} NAME")
        near = nearest(word, names)
        raise UsageError(f"There is no {what} {word!r}.", f"Did you mean {near}?" if near else "")

    def _unknown(self, name: str) -> UsageError:
        near = nearest(name, [verb.name for verb in self.verbs()])
        hint = (
            f"Did you mean :{near}?" if near else f"{symbol(self._room.keys['palette'].keys[0])} lists them."
        )
        return UsageError(f"There is no command {name!r}.", hint)

    def verbs(self) -> list[Verb]:
        """All commands, what is possible here first."""
        own = {verb.name for verb in OWN}
        here = self._room.keys.here(self._room.scope)
        ordered = [*here, *(action for action in self._room.keys.actions if action not in here)]
        listed = [Verb(action.id, action.text) for action in ordered if _speaks(action, own)]
        return [*OWN, *listed]

    # ---- completing

    def _wish(self, entry: Entry) -> None:
        text = entry.prompt.text
        name, blank, word = text.partition(" ")
        verb = next((verb for verb in OWN if verb.name == name), None)
        if entry.palette:
            entry.offer(self._palette(text), text)
        elif not blank:
            near = [verb for verb in self._here() if verb.name.startswith(name) and verb.name != name]
            entry.offer([_offer(len(text), verb) for verb in near] if name else [], text)
        elif verb is not None and verb.kind:
            start = len(name) + 1
            entry.offer(_words(self._room.names(verb.kind), word, start, len(text)), text)
        elif verb is not None and verb.wants == "FILTER":
            self._errands.run(self._filters.complete(entry, len(name) + 1))
        else:
            entry.offer([], text)

    def _here(self) -> list[Verb]:
        possible = {action.id for action in self._room.keys.here(self._room.scope)}
        own = {verb.name for verb in OWN}
        return [verb for verb in self.verbs() if verb.name in own or verb.name in possible]

    def _palette(self, typed: str) -> list[Completion]:
        ranked = []
        for place, verb in enumerate(self._here()):
            if verb.name == "q":
                continue
            near = [distance(typed, verb.name), distance(typed, verb.text)]
            best = min((at for at in near if at is not None), default=None)
            if best is not None:
                ranked.append((best, place, verb))
        return [
            _listed(len(typed), verb, self._room.keys) for _, _, verb in sorted(ranked, key=lambda r: r[:2])
        ]


def _speaks(action: Action, own: Iterable[str]) -> bool:
    moves = action.id.startswith(("move.", "main.", "pane."))
    return not moves and action.id not in SILENT and action.id not in own


def _offer(end: int, verb: Verb) -> Completion:
    return Completion(start=0, end=end, text=verb.name + (" " if verb.wants else ""), note=verb.wants)


def _listed(end: int, verb: Verb, keys: Keymap) -> Completion:
    chords = next(
        (action.keys for action in keys.actions if action.id in (verb.name, f"pane.{verb.name}")), ()
    )
    key = f"  {symbol(chords[0])}" if chords else ""
    return Completion(start=0, end=end, text=verb.name, note=f"{verb.text}{key}")


def _words(names: Sequence[str], word: str, start: int, end: int) -> list[Completion]:
    fitting = [name for name in names if word.lower() in name.lower() and name != word]
    ranked = sorted(fitting, key=lambda name: not name.startswith(word))
    return [Completion(start=start, end=end, text=name) for name in ranked]
