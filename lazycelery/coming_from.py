"""The keys that people bring from lazydocker and k9s: what each does here, or what to press instead.

Plain data beside the table of keys. The screen's answer to a key that does nothing here, and
docs/coming-from.md, derive from it. Run `python -m lazycelery.coming_from > docs/coming-from.md` after a
change.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from lazycelery.keys import SCOPES, Action, Keymap, Scope, symbol

_PLACE = re.compile(r"\{([a-z_.]+)\}")


@dataclass(frozen=True)
class Habit:
    """A key of another program."""

    key: str
    """As our table writes chords."""
    there: str
    """What it does there."""
    here: str = ""
    """What to press here, an action's id in braces standing for its key; "" where the key does the same."""


LAZYDOCKER: tuple[Habit, ...] = (
    Habit("1", "first panel"),
    Habit("2", "second panel"),
    Habit("3", "third panel"),
    Habit("4", "fourth panel"),
    Habit(
        "5",
        "fifth panel",
        "There are four panes: {pane.workers} {pane.queues} {pane.tasks} {pane.findings}.",
    ),
    Habit(
        "6",
        "sixth panel",
        "There are four panes: {pane.workers} {pane.queues} {pane.tasks} {pane.findings}.",
    ),
    Habit("h", "previous panel"),
    Habit("l", "next panel"),
    Habit("left", "previous panel"),
    Habit("right", "next panel"),
    Habit("tab", "next panel"),
    Habit("shift+tab", "previous panel"),
    Habit("j", "down"),
    Habit("k", "up"),
    Habit("down", "down"),
    Habit("up", "up"),
    Habit("enter", "into the main panel", "{open} opens: a task's page, the tasks of a worker or queue."),
    Habit("escape", "back"),
    Habit("[", "previous tab"),
    Habit("]", "next tab"),
    Habit("/", "filter"),
    Habit("?", "menu of keys", "{help} lists all keys; {menu} is the menu of what is possible here."),
    Habit("x", "menu of what is possible", "{menu} opens the menu of what is possible here."),
    Habit(
        "X", "custom commands of the object", "There are no own commands here. {command} is the command line."
    ),
    Habit("c", "custom command", "There are no own commands here. {command} is the command line."),
    Habit("d", "remove", "{delete} deletes messages, {purge} empties a queue, {revoke} revokes a task."),
    Habit("s", "stop", "{terminate} ends a running task; {menu} shows what else is possible here."),
    Habit("r", "restart", "{pool} on a worker offers restarts. {retry} runs a task again."),
    Habit("p", "pause the container", "{pause} holds the screen still; nothing in the cluster stops."),
    Habit("a", "attach", "Nobody attaches to a worker. {view.live} shows its events as they come."),
    Habit("m", "logs", "A worker's tab Log follows it; {view.live} shows events; {mark} marks."),
    Habit("E", "shell in the container", "There is no shell. {outside} opens the main side in $PAGER."),
    Habit("b", "bulk commands", "{mark} marks one, {mark.all} all; then any action goes to all of them."),
    Habit("w", "open in a browser", "{outside} opens the main side in $PAGER; {wrap} folds long lines."),
    Habit("e", "hide stopped containers", "{faults} shows faults only."),
    Habit("J", "scroll the main panel down"),
    Habit("K", "scroll the main panel up"),
    Habit("H", "scroll the main panel left", "Lines do not scroll sideways: {wrap} folds them."),
    Habit("L", "scroll the main panel right", "Lines do not scroll sideways: {wrap} folds them."),
    Habit(
        "o", "open the configuration", "{outside} opens the main side; `lazycelery config path` tells where."
    ),
    Habit(
        "S",
        "start",
        "{pool} on a worker starts it, by your profile's command. {sort} sorts by the next column.",
    ),
    Habit("R", "restart options", "{pool} on a worker restarts its pool; {menu} shows what else there is."),
    Habit("ctrl+d", "half a page down"),
    Habit("ctrl+u", "half a page up"),
    Habit(
        "pagedown", "main panel down", "{main.down} scrolls the main side, {move.page_down} what is focused."
    ),
    Habit("pageup", "main panel up", "{main.up} scrolls the main side, {move.page_up} what is focused."),
    Habit("home", "to the top"),
    Habit("end", "to the end"),
    Habit("+", "larger"),
    Habit("_", "smaller"),
    Habit("q", "quit"),
)
K9S: tuple[Habit, ...] = (
    Habit(":", "command line"),
    Habit("/", "filter"),
    Habit("?", "help"),
    Habit("j", "down"),
    Habit("k", "up"),
    Habit("down", "down"),
    Habit("up", "up"),
    Habit("ctrl+f", "a page down"),
    Habit("ctrl+b", "a page up"),
    Habit("pagedown", "a page down"),
    Habit("pageup", "a page up"),
    Habit("g", "to the top"),
    Habit("G", "to the end"),
    Habit("enter", "into what is selected"),
    Habit("escape", "back"),
    Habit("0", "all namespaces", "{back} takes filters away, one by one."),
    *(
        Habit(key, "a namespace", "{views} lists saved views, {brokers} clusters; {filter} filters a list.")
        for key in "789"
    ),
    Habit("-", "previous view", "{back} goes one step back; {brokers} lists the clusters."),
    Habit("[", "back in the history of commands", "In the line of {command}, ↑ brings back what was typed."),
    Habit("]", "on in the history of commands", "In the line of {command}, ↓ goes on in what was typed."),
    Habit("ctrl+a", "all aliases", "{palette} finds an action by a part of what it does."),
    Habit("space", "mark", "{mark} marks; {menu} is the menu of what is possible here."),
    Habit("ctrl+@", "mark a range", "{mark.all} marks all that are shown."),
    Habit("ctrl+\\", "take marks away", "{back} takes the marks away."),
    Habit("ctrl+z", "faults only", "{faults} shows faults only."),
    Habit("N", "sort by name", "{sort} sorts by the next column, {command}sort name by the name."),
    Habit("A", "sort by age", "{sort} sorts by the next column, {command}sort newest by age."),
    Habit("S", "sort by status"),
    Habit("R", "sort by ready", "{sort} sorts by the next column, {command}sort NAME by one of them."),
    Habit("T", "sort by restarts", "{sort} sorts by the next column, {command}sort NAME by one of them."),
    Habit("C", "sort by CPU", "{sort} sorts by the next column, {command}sort load the workers by theirs."),
    Habit("M", "sort by memory", "{sort} sorts by the next column, {command}sort NAME by one of them."),
    Habit(
        "O",
        "sort by the chosen column",
        "{sort} sorts by the next column, {sort.reverse} from the other end.",
    ),
    Habit("shift+left", "previous column", "{sort} sorts by the next column."),
    Habit("shift+right", "next column", "{sort} sorts by the next column."),
    Habit("d", "describe", "The main side describes what is selected; {tab.next} goes to its next tab."),
    Habit("y", "YAML", "{copy.json} copies all of it as JSON."),
    Habit("e", "edit", "Nothing is edited in place. {outside} opens the main side in $PAGER or $EDITOR."),
    Habit("l", "logs", "A worker's tab Log follows it; {view.live} shows events as they come."),
    Habit("p", "logs of the one before", "A task's tab Timeline tells its earlier tries."),
    Habit("s", "shell", "There is no shell. {outside} opens the main side in $PAGER."),
    Habit("a", "attach", "Nobody attaches to a worker. {view.live} shows its events as they come."),
    Habit("c", "copy", "{copy.id} copies the name or id, {copy.json} all of it as JSON."),
    Habit("f", "port-forward", "{faults} shows faults only; there is nothing to forward."),
    Habit("u", "used by", "{open} on a queue or worker shows its tasks; a task's tab Family its relatives."),
    Habit("J", "to the owner", "A task's tab Family shows whence it came."),
    Habit("w", "wrap"),
    Habit("n", "next hit"),
    Habit("ctrl+d", "delete", "{delete} deletes messages, {purge} empties a queue, {revoke} revokes a task."),
    Habit("ctrl+k", "kill", "{terminate} ends a running task, after a question."),
    Habit("ctrl+w", "wide", "{size.grow} gives what is focused more room, {size.alone} all of it."),
    Habit("ctrl+e", "hide the header", "{size.alone} shows what is focused alone."),
    Habit("ctrl+g", "hide the crumbs", "The title always tells the filters; {back} takes the last one away."),
    Habit("ctrl+s", "save the table", "{copy.json} copies as JSON; lazycelery tasks --json writes a list."),
    Habit("ctrl+l", "refresh now", "{refresh} asks again now, and paints the screen anew."),
    Habit("ctrl+r", "refresh"),
    Habit("ctrl+c", "quit"),
)
TOOLS: dict[str, tuple[Habit, ...]] = {"lazydocker": LAZYDOCKER, "k9s": K9S}


def instead(chord: str, keys: Keymap, scope: Scope) -> str:
    """What to say for a key that does nothing while the pane `scope` leads; "" where nothing fits. A key that
    both programs have is answered for both."""
    said = [
        f"{_written(habit, keys)} ({_name(chord)} is {tool}'s: {habit.there})"
        for tool, habits in TOOLS.items()
        for habit in habits
        if habit.key == chord and habit.here
    ]
    if said:
        return " ".join(said)
    elsewhere = [action for action in keys.actions if chord in action.keys and action.scope != scope]
    return _elsewhere(elsewhere[0], chord, keys) if elsewhere else ""


def _elsewhere(action: Action, chord: str, keys: Keymap) -> str:
    ids = {one.id for one in keys.actions}
    text = f"{_name(chord)} works {SCOPES[action.scope].lower()}: {action.text[:1].lower()}{action.text[1:]}."
    pane = f"pane.{action.scope}"
    return f"{text} {symbol(keys[pane].keys[0])} goes there." if pane in ids else text


def _written(habit: Habit, keys: Keymap) -> str:
    return _PLACE.sub(lambda place: symbol(keys[place[1]].keys[0]), habit.here)


def _name(chord: str) -> str:
    return {"ctrl+@": "ctrl+space", "space": "space"}.get(chord, symbol(chord))


def document() -> str:
    """docs/coming-from.md: the table for people."""
    keys = Keymap()
    parts = ["# Coming from lazydocker or k9s\n", _PREFACE]
    for tool, habits in TOOLS.items():
        parts.append(f"\n## {tool}\n\n| key | there | here |\n|---|---|---|\n")
        parts += [_row(habit, keys) for habit in habits]
    return "".join(parts)


_PREFACE = """
Most keys do what they do there. The others are answered: a key that does nothing here says what to press
instead, in the last line of the screen. [All keys](keys.md). (Made from `lazycelery/coming_from.py`.)

What is different on purpose: nothing that changes the cluster works before `W`, each such key asks, and Enter
means No.
"""


def _row(habit: Habit, keys: Keymap) -> str:
    here = _written(habit, keys) if habit.here else "the same"
    shown = _name(habit.key).replace("|", "\\|")
    return f"| `{shown}` | {habit.there} | {here} |\n"


if __name__ == "__main__":
    sys.stdout.write(document())
