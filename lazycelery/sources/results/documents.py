"""`celery-task-meta-…` documents, decoded. Pure functions that meet hostile bytes."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from lazycelery.model.moments import epoch
from lazycelery.model.reports import ResultReport
from lazycelery.sources import pickles
from lazycelery.sources.jsontext import Unreadable, int_or_none, parse, plain, text_or_none
from lazycelery.sources.results.values import uncompressed

MAX_DOCUMENT = 256 * 1024
"""Bytes of a document that are decoded; of larger ones a prefix of the result is kept."""
HEAD, TAIL = 16 * 1024, 8 * 1024
"""Bytes read from both ends of a large one."""
MAX_CHILDREN = 1000
STATES = frozenset({"PENDING", "RECEIVED", "STARTED", "SUCCESS", "FAILURE", "RETRY", "REVOKED", "REJECTED"})


def read_document(task_id: str, data: bytes) -> ResultReport | None:
    """A whole document; a large one is cut. `None` when it is no result."""
    try:
        data = uncompressed(data)
    except Unreadable:
        return None
    if len(data) > MAX_DOCUMENT:
        return read_cut(task_id, data[:HEAD], data[-TAIL:], len(data))
    try:
        document = parse(data)
    except Unreadable:
        return _pickled(task_id, data)
    if not isinstance(document, dict) or not isinstance(document.get("status"), str):
        return None
    try:
        return _report(task_id, document, len(data))
    except Unreadable:
        return read_cut(task_id, data[:HEAD], data[-TAIL:], len(data))


def _report(task_id: str, document: dict[str, Any], size: int) -> ResultReport:
    args, kwargs = plain(document.get("args")), plain(document.get("kwargs"))
    exact = args.exact and kwargs.exact
    return ResultReport(
        id=task_id,
        status=text_or_none(document["status"]) or "",
        result=plain(document.get("result")).value,
        traceback=text_or_none(document.get("traceback")),
        date_done=epoch(document.get("date_done")),
        children=children(document.get("children")),
        parent_id=text_or_none(document.get("parent_id")),
        group_id=text_or_none(document.get("group_id")),
        name=text_or_none(document.get("name")),
        # Arguments are good for another run only when they are exact.
        args=args.value if exact else None,
        kwargs=kwargs.value if exact else None,
        worker=text_or_none(document.get("worker")),
        retries=int_or_none(document.get("retries")),
        queue=text_or_none(document.get("queue")),
        size=size,
    )


def read_cut(task_id: str, head: bytes, tail: bytes, size: int) -> ResultReport | None:
    """What both ends of a large document tell: state, the begin of the result, when it was done."""
    start, end = head.decode("utf-8", "replace"), tail.decode("utf-8", "replace")
    status = re.search(r'"status": ?"(\w{1,64})"', start)
    if status is None:
        return None
    result = re.search(r'"result": ?', start)
    return ResultReport(
        id=task_id,
        status=status[1],
        result=start[result.end() :] if result else None,
        date_done=epoch(_last(r'"date_done": ?"([^"\\]{1,40})"', end)),
        name=_last(r'"name": ?"([^"\\]{1,200})"', end),
        worker=_last(r'"worker": ?"([^"\\]{1,200})"', end),
        queue=_last(r'"queue": ?"([^"\\]{1,200})"', end),
        size=size,
        cut=True,
    )


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text)
    return str(found[-1]) if found else None


def _pickled(task_id: str, data: bytes) -> ResultReport | None:
    """A backend with result_serializer pickle: only the state is told, nothing is loaded."""
    words, _ = pickles.strings(data)
    for key, value in pairwise(words):
        if key == "status" and value in STATES:
            return ResultReport(id=task_id, status=value, size=len(data))
    return None


def children(value: Any) -> list[str]:
    """Ids of the tasks that a task sent: [[[id, parent], [members] or null], …]."""
    found: list[str] = []
    rest = [value]
    while rest and len(found) < MAX_CHILDREN:
        node = rest.pop(0)
        if not isinstance(node, list):
            continue
        for child in node[:MAX_CHILDREN]:
            if isinstance(child, list) and len(child) == 2 and isinstance(child[0], list):
                members = child[1]
                # A group's own id is no task: its members are.
                if isinstance(members, list):
                    rest.append(members)
                elif child[0] and isinstance(child[0][0], str):
                    found.append(child[0][0])
    return found
