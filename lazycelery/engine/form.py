"""A task as a form that a person edits: JSON out, JSON or TOML in."""

from __future__ import annotations

import json
import sys
from typing import Any

from lazycelery.engine.api import EngineApi
from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.model.faces import by_face
from lazycelery.model.redaction import REDACTED

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIELDS = ("task", "args", "kwargs", "queue", "priority", "eta", "expires")
LONGEST = 1 << 20
"""Characters of a form."""


async def form_of(api: EngineApi, id: str) -> tuple[str, str]:
    """The whole id of a task, and its form. Raises `Refused` where its true arguments are not known, or hide
    secrets that would be sent blackened."""
    task = await api.task(id)
    name, args, kwargs, priority = task.name, task.args, task.kwargs, task.priority
    cut = {"args", "kwargs"} & set(task.truncated)
    try:
        message = await api.message(task.id)
    except NothingFound:
        message = None
    if message is not None and message.decoded and isinstance(message.args, list):
        name, args, kwargs, cut = message.task or name, message.args, message.kwargs, set()
        priority = message.priority if message.priority is not None else priority
    if cut or not isinstance(args, list) or not isinstance(kwargs, dict) or not name:
        raise Refused(
            "Its true arguments are not known, only a text of them.",
            by_face("Write it anew: lazycelery send NAME --edit. ", "")
            + "result_extended on the workers makes them known.",
        )
    text = blank(name, args=args, kwargs=kwargs, queue=task.queue, priority=priority)
    if REDACTED in text:
        raise Refused(
            "Its arguments hold secrets, which are hidden.",
            by_face("--allow reveal shows them.", "The permission reveal shows them: allow in the profile."),
        )
    return task.id, text


def blank(name: str, **given: Any) -> str:
    """The form of a task of this name."""
    values = {"task": name, "args": [], "kwargs": {}, **given}
    return json.dumps({field: values.get(field) for field in FIELDS}, indent=2, ensure_ascii=False) + "\n"


def read(text: str) -> dict[str, Any]:
    """What is filled in. Raises `UsageError` with the place of what is wrong."""
    if len(text) > LONGEST:
        raise UsageError("This form is too long.", f"At most {LONGEST:,} characters.")
    try:
        values = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"This cannot be read: {problem}.", "JSON, or TOML.") from None
    if not isinstance(values, dict):
        raise UsageError("This is no table.", f"It has: {', '.join(FIELDS)}.")
    if strange := sorted(set(values) - set(FIELDS)):
        raise UsageError(f"{strange[0]!r} is nothing that is sent.", f"Known: {', '.join(FIELDS)}.")
    return {field: value for field, value in values.items() if value is not None}
