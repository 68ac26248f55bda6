"""`lazycelery` and the table of its commands. A command's module is loaded when it is run."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

import lazycelery
from lazycelery.cli.borrowed import hint
from lazycelery.cli.options import common


class Entry(NamedTuple):
    """Where a command is, and its line in the help."""

    module: str
    attribute: str
    help: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("demo", "demo", "See a living example fleet; nothing else needs to run."),
    "status": Entry("status", "status", "The cluster at a glance."),
    "workers": Entry("workers", "workers", "Workers: state, pool, load, queues."),
    "queues": Entry("queues", "queues", "Queues: depth, age, rates, consumers."),
    "tasks": Entry("tasks", "tasks", "Tasks that match a FILTER, newest first."),
    "task": Entry("task", "task", "Everything that is known of one task."),
    "doctor": Entry("doctor", "doctor", "What is wrong, how it is known, what helps."),
    "finding": Entry("finding", "finding", "Acknowledge findings, or snooze them."),
    "explain": Entry("explain", "explain", "What a finding means, and how to mend it; needs no broker."),
    "watch": Entry("watch", "watch", "Findings as they come and go, a line each; sends alerts."),
    "serve": Entry("serve", "serve", "The same for a supervisor, of several profiles."),
    "alerts": Entry("alerts", "alerts", "Where findings are told: list, test."),
    "rules": Entry("rules", "rules", "What is done with failed tasks by itself: list, reset."),
    "why": Entry("why", "why", "Why a task, queue or worker is not done, in one sentence."),
    "replay": Entry("replay", "replay", "Open a recording as if it were live."),
    "history": Entry("history", "history", "Tasks, events, findings of the recorded history; export."),
    "stats": Entry("stats", "stats", "What is usual: rates, failures, run and wait times."),
    "errors": Entry("errors", "errors", "Failures in groups: what fails, where, what is new."),
    "mark": Entry("mark", "mark", "Set a deploy mark: errors after it count as new."),
    "events": Entry("events", "events", "Follow events as they happen."),
    "peek": Entry("peek", "peek", "Waiting messages of a queue, without consuming them."),
    "retry": Entry("mutate", "retry", "Send tasks again."),
    "send": Entry("send", "send", "Send a new task by name, or an old one edited."),
    "revoke": Entry("mutate", "revoke", "Tell the workers to discard tasks."),
    "terminate": Entry("mutate", "terminate", "End running tasks with a signal."),
    "purge": Entry("messages", "purge", "Empty a queue, after a backup."),
    "move": Entry("messages", "move", "Move waiting messages to another queue."),
    "delete": Entry("messages", "delete", "Remove waiting messages that match a filter."),
    "requeue": Entry("messages", "requeue", "Dead letters back to the queue in which they died."),
    "export": Entry("messages", "export", "Write waiting messages to a file."),
    "restore": Entry("messages", "restore", "Put the messages of a backup back."),
    "plan": Entry("plan", "plan", "Bulk actions that stopped in the middle: list, show, resume."),
    "worker": Entry("worker", "worker", "Workers: pool, queues, limits, events, ping, shutdown."),
    "beat": Entry("beat", "beat", "What is scheduled: last and next run, lateness."),
    "dealt": Entry("dealt", "dealt", "Mark failed tasks as dealt with; nothing is sent."),
    "audit": Entry("audit", "audit", "What was done, by whom, and the proof."),
    "config": Entry("config", "config", "The configuration: init, show, path, check, export."),
}


class PipeClosed(Exception):
    """Nobody reads what is printed any more."""


class LazyGroup(click.Group):
    """A group whose commands are loaded one at a time, by the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"lazycelery.cli.commands.{entry.module}")
        command = getattr(module, entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown one is answered with the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"There is no command {name!r}.{_nearest(args)}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. A reader that has enough (`head`) is no failure: click would end with 1 for it,
        which scripts take for "nothing found"."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise PipeClosed from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without loading any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def _nearest(words: Sequence[str]) -> str:
    name = words[0]
    if "://" in name:
        return " A broker is given with --broker URL."
    if borrowed := hint(words):
        return f" {borrowed}"
    near: Sequence[str] = difflib.get_close_matches(name, COMMANDS, 1)
    return f" Did you mean {near[0]}?" if near else ""


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 nothing found, 2 wrong usage, 3 cannot connect, 4 refused, 5 done in part.",
)
@common
@click.version_option(lazycelery.__version__, prog_name="lazycelery", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context) -> int:
    """The terminal control room for Celery. Without a command, the screen opens.

    A broker is enough: lazycelery --broker redis://localhost:6379/0
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from lazycelery.cli.screen import open_screen

    return open_screen(ctx)
