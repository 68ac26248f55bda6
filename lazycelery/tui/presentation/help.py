"""Help: the table of keys, what is possible here first, and what the signs mean."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.keys import SCOPES, Action, Scope, symbol
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.signs import of_task

KEYS = 17


def help_page(scope: Scope, allowed: Sequence[str], look: Look) -> Page:
    """All keys, those of the leading pane first."""
    lines: list[Line] = []
    for name in dict.fromkeys((scope, "everywhere", *SCOPES)):
        rows = [_row(action, allowed) for action in look.keys.actions if action.scope == name]
        if rows:
            lines += [((SCOPES[name], "head"),), *rows, ()]
    lines += [(("Signs", "head"),), *_signs(look)]
    lines += [(), (("Filter of the tasks", "head"),), *(((line, ""),) for line in FILTER)]
    zone = "UTC" if look.utc else "local time"
    lines += [
        (),
        (
            (
                f"Times are {zone}. {look.key('back')} leaves this help, {look.key('filter')} searches it.",
                "dim",
            ),
        ),
    ]
    return Page((("Help", "title"),), (), 0, lines)


def _row(action: Action, allowed: Sequence[str]) -> Line:
    locked = action.permission is not None and action.permission not in allowed
    shown = " ".join(symbol(chord) for chord in action.keys)
    note = "  locked" if locked else "  asks first" if action.danger != "none" else ""
    return ((f"  {shown:<{KEYS}} ", "accent"), (action.text, "dim" if locked else ""), (note, "warn"))


def _signs(look: Look) -> list[Line]:
    states = (
        "waiting",
        "scheduled",
        "received",
        "started",
        "retry",
        "success",
        "failure",
        "revoked",
        "lost",
        "unknown",
    )
    return [(("  ", ""), of_task(state, look.signs), (f" {state}", "")) for state in states]


FILTER = (
    "  words                  free text in name, id, arguments, error",
    "  state:failure,retry    also name worker queue id error args kwargs retries runtime wait",
    "  runtime:>5s wait:>=1m  comparisons; since:1h until:…",
    "  name:mail.* error:~out wildcards and regular expressions; - before a word negates",
)
