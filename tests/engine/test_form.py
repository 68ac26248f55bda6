"""A task as a form: JSON out, JSON or TOML in; nothing that is cut or hidden is ever sent on."""

from __future__ import annotations

from typing import Any

import pytest

from lazycelery.engine import form
from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.model.message import Message
from lazycelery.model.task import Task


class Api:
    def __init__(self, task: Task, message: Message | None = None) -> None:
        self._task, self._message = task, message

    async def task(self, id: str, fetch: bool = True) -> Task:
        return self._task

    async def message(self, id: str) -> Message:
        if self._message is None:
            raise NothingFound("It is nowhere.")
        return self._message


def task(**given: Any) -> Task:
    return Task(id="id-1", name="shop.add", state="failure", queue="default", **given)


async def test_the_message_tells_better_than_the_task() -> None:
    message = Message(position=0, task="shop.add", args=[1], kwargs={"ü": None}, priority=3)
    id, text = await form.form_of(Api(task(args="(1, ...)"), message), "id")  # type: ignore[arg-type]
    assert id == "id-1"
    assert form.read(text) == {
        "task": "shop.add",
        "args": [1],
        "kwargs": {"ü": None},
        "queue": "default",
        "priority": 3,
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"args": "(1, 2)", "kwargs": "{}"}, "true arguments are not known"),
        ({"args": [1], "kwargs": {}, "truncated": ["args"]}, "true arguments are not known"),
        ({"args": [1], "kwargs": {"token": "[redacted]"}}, "hold secrets"),
    ],
)
async def test_what_is_not_whole_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        await form.form_of(Api(task(**given)), "id")  # type: ignore[arg-type]


def test_toml_is_read_too() -> None:
    text = 'task = "shop.add"\nargs = [1, "a"]\nqueue = "mail"\n[kwargs]\namount = 3\n'
    assert form.read(text) == {"task": "shop.add", "args": [1, "a"], "queue": "mail", "kwargs": {"amount": 3}}


@pytest.mark.parametrize("text", ["{", "task = ", '{"tsak": "x"}', "[" * 100_000, "x" * (form.LONGEST + 1)])
def test_nonsense_is_told(text: str) -> None:
    with pytest.raises(UsageError):
        form.read(text)
