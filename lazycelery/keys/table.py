"""The table of actions. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lazycelery.model.action import Level

Scope = Literal[
    "everywhere", "workers", "queues", "tasks", "findings", "clusters", "beat", "errors", "replay"
]
"""Where an action exists: always, while the pane of that name leads, in the list of that name, or while a
recording plays."""

SCOPES: dict[Scope, str] = {
    "everywhere": "Everywhere",
    "workers": "On a worker",
    "queues": "On a queue",
    "tasks": "On a task",
    "findings": "On a finding",
    "clusters": "In the list of clusters",
    "beat": "In the list of beat",
    "errors": "In the list of errors",
    "replay": "In a replay",
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
    Action("view.metrics", ("i",), "Metrics: rates, times, backlog; tasks, workers, queues and their usual"),
    Action("view.errors", ("e",), "Errors in groups, and where they come together: by worker, by hour"),
    Action("view.beat", ("B",), "Beat: what is scheduled, its last and next run, what is late"),
    Action("filter", ("/",), "Filter a list; search an opened page, or this help", "filter", rank=5),
    Action("command", (":",), "Command line: every action by its name, tasks FILTER, queue NAME"),
    Action("palette", ("ctrl+p",), "Find an action by a part of what it does"),
    Action("views", ("V",), "Saved views: choose one; :save NAME keeps filter and order of the tasks"),
    Action("faults", ("f",), "Faults only", "faults", rank=8),
    Action(
        "sort", ("S",), "Sort by the next column; a click on a column's name does it too", "sort", rank=12
    ),
    Action("sort.reverse", ("I",), "Sort from the other end"),
    Action("menu", ("space",), "Menu of what is possible here; a line or its key does it", "menu", rank=6),
    Action(
        "mark",
        ("m",),
        "Mark, or unmark, and go on to the next; what is done next is done to all that are marked",
    ),
    Action("mark.all", ("M",), "Mark all that are shown"),
    Action("copy.id", ("y",), "Copy the name or id", menu=True),
    Action("copy.json", ("Y",), "Copy all of it as JSON", menu=True),
    Action("tab.next", ("]",), "Next tab of the main side; other pages of a view", "tabs", rank=8),
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
    Action("theme", ("T",), "Next theme", "theme"),
    Action("utc", ("U",), "Times in UTC, or local"),
    Action(
        "events",
        ("E",),
        "Task events of all workers: on for this session, or off again",
        "events",
        danger="letter",
        permission="events",
        question="How many workers are told to send task events, or to stop",
        rank=9,
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
    Action("bulk", ("C",), "Bulk: stop it, resume or discard the rest", "bulk"),
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
    Action(
        "events.worker",
        ("v",),
        "Task events of this worker: on for this session, or off again",
        "its events",
        scope="workers",
        danger="letter",
        permission="events",
        question="Which worker is told to send task events, or to stop",
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
        "Terminate: end the process that runs it, by a signal",
        "terminate",
        scope="tasks",
        danger="typed",
        permission="terminate",
        question="Which task, with which signal, and a word to type",
    ),
    Action(
        "canvas",
        ("c",),
        "Canvas: retry from the failed step, revoke, terminate all",
        "canvas",
        scope="tasks",
        danger="letter",
        permission="retry",
        question="All members that are known, what is not known, and what would be sent or revoked",
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
    Action("deal", ("t",), "Tick off: dealt with, or not; a note of ours, nothing is sent", scope="tasks"),
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
    Action(
        "group.retry",
        ("r",),
        "Run the failures of the group again as new tasks",
        "retry",
        scope="errors",
        danger="letter",
        permission="retry",
        question="How many tasks, how faithful the copies are, and how many are left out",
        rank=2,
    ),
    Action(
        "group.revoke",
        ("x",),
        "Revoke those of the group that wait for a retry",
        "revoke",
        scope="errors",
        danger="letter",
        permission="revoke",
        question="How many tasks, and what a revoke does not survive",
        rank=3,
    ),
    Action("group.deal", ("t",), "Tick the group off: dealt with, or not; a note of ours", scope="errors"),
    Action("group.new", ("v",), "Only what is new since the mark, or all", "new", scope="errors"),
    Action(
        "deploy", ("d",), "Set a deploy mark: what fails first after it is new", "deploy mark", scope="errors"
    ),
    Action(
        "acknowledge",
        ("a",),
        "Acknowledge the finding: known, no alert tells it again until it is worse; again takes it back",
        "acknowledge",
        scope="findings",
        rank=2,
    ),
    Action(
        "snooze",
        ("s",),
        "Snooze the finding: folded away for a time, or until it is worse; again takes it back",
        "snooze",
        scope="findings",
        rank=3,
    ),
    Action(
        "beat.run",
        ("r",),
        "Run the entry now, once more",
        "run now",
        scope="beat",
        danger="letter",
        permission="send",
        question="The task with its arguments, and its queue",
    ),
    Action(
        "beat.switch",
        ("x",),
        "Disable the entry, or enable it again (RedBeat, django-celery-beat)",
        "on, off",
        scope="beat",
        danger="letter",
        permission="beat",
        question="Which entry, and when beat heeds it",
    ),
    Action("replay.pause", (",",), "Hold the recording, or let it go on", "pause", scope="replay"),
    Action("replay.step", (".",), "To what was said next, and hold there", "step", scope="replay"),
    Action("replay.back", ("<",), "Ten seconds back", "10s back", scope="replay"),
    Action("replay.forward", (">",), "Ten seconds forward", "10s on", scope="replay"),
    Action("replay.far_back", ("(",), "A tenth of the recording back", "back", scope="replay"),
    Action("replay.far_forward", (")",), "A tenth of the recording forward", "on", scope="replay"),
    Action("replay.slower", ("-",), "Half as fast", "slower", scope="replay"),
    Action("replay.faster", ("=",), "Twice as fast", "faster", scope="replay"),
)
