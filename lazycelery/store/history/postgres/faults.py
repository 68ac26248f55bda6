"""What PostgreSQL refuses, in words."""

from __future__ import annotations

import importlib
import re

from lazycelery.errors import LazyCeleryError
from lazycelery.model.redaction import Redactor
from lazycelery.model.text import clean
from lazycelery.store.history.storage import Newer

_WORDS = {
    "53100": "the database's disk is full",
    "53300": "the database takes no more connections",
    "25006": "the database is read-only (a standby?)",
    "57014": "the database took too long",
    "55P03": "the database is locked by somebody for too long",
    "57P01": "the database was shut down",
    "57P03": "the database is starting up or shutting down",
    "40P01": "two recorders got in each other's way",
    "23514": "the database has no partition for today, and this user may make none",
}
_FATAL = re.compile(r"FATAL: +(.+)")
"""What libpq tells of a connection that was not let in."""
LONGEST = 300
"""Characters of what the database says: a path may stand in it."""


def _line(text: str) -> str:
    return clean(re.sub(r"\s+", " ", text).rstrip("."), LONGEST)


def said(problem: BaseException) -> str | None:
    """Why, in words and without secrets, beginning in lower case; `None` for what is no fault of a
    database."""
    if isinstance(problem, Newer):
        return f"{problem} was written by a later version of lazycelery"
    if isinstance(problem, LazyCeleryError):
        hint = f" ({problem.hint.rstrip('.')})" if problem.hint else ""
        return f"{problem.title[:1].lower()}{problem.title[1:].rstrip('.')}{hint}"
    try:
        psycopg = importlib.import_module("psycopg")
    except ImportError:
        return None
    if not isinstance(problem, psycopg.Error):
        return None
    code = getattr(problem, "sqlstate", None) or ""
    whole = Redactor().text(str(problem)).strip()
    text = _line((whole.splitlines() or [type(problem).__name__])[0])
    if code == "42501":
        return f"this user may not: {text}"
    if code:
        return _WORDS.get(code, f"the database says: {text}")
    refused = _FATAL.search(whole)
    if refused and "startup parameter" in refused[1]:
        return f"the pooler needs pool_mode = session and ignore_startup_parameters = options: {refused[1]}"
    if refused:
        return f"the database refuses: {_line(refused[1])}"
    # "connection failed: connection to server at …, port … failed: Connection refused", for each address.
    reason = text.rpartition("failed: ")[2]
    return f"the database does not answer: {reason[:1].lower()}{reason[1:]}"
