"""Redaction on the way out: the store keeps what is true, faces get what may be seen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from lazycelery.model.beat import Beat
from lazycelery.model.message import Message, PeekPage
from lazycelery.model.recorded import Recorded, RecordedEvent
from lazycelery.model.redaction import Redactor
from lazycelery.model.task import Task, TaskPage
from lazycelery.model.worker import WorkerDetail

TOGETHER, FEW = 64, 4
"""Tasks that are looked at together, and how few of them are not worth it."""


def _texts(task: Task) -> list[Any]:
    """What `Veil.task` looks at."""
    found = [task.args, task.kwargs, task.result, task.progress, task.error, task.traceback]
    for attempt in task.attempts:
        if attempt.error is not None or attempt.traceback is not None:
            found += (attempt.error, attempt.traceback)
    return found


class Veil:
    """Redacts model objects in place and hands them back. All of them are copies made for a face."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def any(self, value: Any) -> Any:
        """A text or a JSON value."""
        return self._redactor.text(value) if isinstance(value, str) else self._redactor.value(value)

    def _text(self, text: str | None) -> str | None:
        return None if text is None else self._redactor.text(text)

    def task(self, task: Task) -> Task:
        """Arguments, result, error, traceback and progress."""
        task.args, task.kwargs = self.any(task.args), self.any(task.kwargs)
        task.result, task.progress = self.any(task.result), self.any(task.progress)
        task.error, task.traceback = self._text(task.error), self._text(task.traceback)
        for attempt in task.attempts:
            attempt.error, attempt.traceback = self._text(attempt.error), self._text(attempt.traceback)
        return task

    def tasks(self, tasks: Sequence[Task]) -> None:
        """Many: most hold nothing that looks like a secret, and one look tells it of all of them."""
        for start in range(0, len(tasks), TOGETHER):
            self._some(tasks[start : start + TOGETHER])

    def _some(self, tasks: Sequence[Task]) -> None:
        if len(tasks) > 1:
            texts = [text for task in tasks for text in _texts(task) if text is not None]
            with suppress(TypeError):  # Real values are looked at one by one.
                if not self._redactor.may_hold("\n".join(texts)):
                    return
        if len(tasks) > FEW:
            half = len(tasks) // 2
            self._some(tasks[:half])
            self._some(tasks[half:])
            return
        for task in tasks:
            self.task(task)

    def recorded(self, entries: Sequence[Recorded]) -> None:
        """Fields of events of other kinds; what findings say was never more than may be seen."""
        for one in entries:
            if isinstance(one, RecordedEvent) and one.fields:
                one.fields = self._redactor.value(one.fields)

    def page(self, page: TaskPage) -> TaskPage:
        """The short texts of rows."""
        for row in page.rows:
            row.args, row.error = self._text(row.args), self._text(row.error)
        return page

    def message(self, message: Message) -> Message:
        """Arguments, headers and embedded signatures."""
        message.args, message.kwargs = self.any(message.args), self.any(message.kwargs)
        message.headers = self._redactor.value(message.headers)
        message.embed = self._redactor.value(message.embed)
        return message

    def beat(self, beat: Beat) -> Beat:
        """Arguments and options of all entries."""
        for entry in beat.entries:
            entry.args, entry.kwargs = self.any(entry.args), self.any(entry.kwargs)
            entry.options = self._redactor.value(entry.options)
            entry.name, entry.task = self._redactor.text(entry.name), self._redactor.text(entry.task)
        return beat

    def peek(self, page: PeekPage) -> PeekPage:
        """All messages of a page."""
        for message in page.messages:
            self.message(message)
        return page

    def worker(self, detail: WorkerDetail) -> WorkerDetail:
        """Argument texts of its lists, and its configuration."""
        for rows in (detail.active, detail.reserved, detail.scheduled):
            for row in rows:
                row["args"] = self.any(row.get("args"))
        detail.conf = self._redactor.value(detail.conf)
        return detail
