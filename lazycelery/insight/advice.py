"""What a finding advises, in the words of whoever hears it: a command line, or a command of the screen."""

from __future__ import annotations

import shlex

from lazycelery.model.faces import by_face
from lazycelery.model.reel import Replay
from lazycelery.model.text import quoted

NOT_RECORDED = " The recording does not have it."
NOT_YET = " The recording does not have it up to here."


def word(text: str) -> str:
    """One word of a command that is made to be pasted: names are others' text, and a shell reads them."""
    return shlex.quote(text)


def condition(field: str, value: str) -> str:
    """A condition of the filter language, without quotes where the value needs none."""
    exact = quoted(field, value)
    return exact if exact.endswith('"') else f"{field}:{value}"


def longer(seconds: float, replay: Replay) -> str:
    """The end of a sentence that tells for how long must be watched."""
    if replay == "whole":
        return by_face(": a recording is watched as it plays, by `lazycelery replay`.", ".")
    return by_face(f": --observe {seconds:.0f}.", ".")


def later(seconds: float, replay: Replay, recorded: str) -> str:
    """A sentence more: to wait brings what is missing; of a recording that was read to its end `recorded`."""
    return recorded if replay == "whole" else by_face(f" --observe {seconds:.0f} waits longer.", "")


def more_patience(replay: Replay) -> str:
    """A sentence more: who was asked may answer later; in a recording only where more of it is to play."""
    if replay:
        return NOT_RECORDED if replay == "whole" else NOT_YET
    return by_face(" --timeout 10 waits longer.", "")


def let_consume(queue: str, worker: str = "WORKER") -> str:
    """A worker takes from a queue too."""
    return by_face(
        f"`lazycelery worker consume {word(queue)} {word(worker)} --allow consumers`",
        f"`:consume` on {_one(worker)}",
    )


def more_slots(queue: str) -> str:
    """A pool grows, or workers are added."""
    grow = by_face("`lazycelery worker pool grow 2 WORKER --allow pool`", "`:pool` on a worker")
    return f"Add slots ({grow}), or workers with `-Q {word(queue)}`"


def tasks(*terms: str) -> str:
    """The tasks that match all of these terms."""
    return by_face(f"`lazycelery tasks {_words(terms)}`", f"`:tasks {' '.join(terms)}`")


def act_on_tasks(action: str, *terms: str) -> str:
    """Retry or revoke the tasks that match all of these terms."""
    there = f"`:tasks {' '.join(terms)}`, then `:mark.all` and `:{action}`"
    return by_face(f"`lazycelery {action} {_words(terms)} --allow {action}`", there)


def act_on_task(action: str, id: str) -> str:
    """Retry or revoke one task."""
    return by_face(f"`lazycelery {action} {word(id)} --allow {action}`", f"`:{action}` on {id}")


def usual() -> str:
    """The figures beside what is usual."""
    return by_face("`lazycelery stats --usual`", "`:view.metrics`")


def _one(worker: str) -> str:
    return "a worker" if worker == "WORKER" else worker


def _words(terms: tuple[str, ...]) -> str:
    return " ".join(word(term) for term in terms)
