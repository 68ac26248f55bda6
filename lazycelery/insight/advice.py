"""What a finding advises, in the words of whoever hears it: a command line, or a command of the screen."""

from __future__ import annotations

from lazycelery.model.faces import by_face


def longer(seconds: float) -> str:
    """The end of a sentence that tells for how long must be watched."""
    return by_face(f": --observe {seconds:.0f}.", ".")


def let_consume(queue: str, worker: str = "WORKER") -> str:
    """A worker takes from a queue too."""
    return by_face(
        f"`lazycelery worker consume {queue} {worker} --allow consumers`", f"`:consume` on {_one(worker)}"
    )


def more_slots(queue: str) -> str:
    """A pool grows, or workers are added."""
    grow = by_face("`lazycelery worker pool grow 2 WORKER --allow pool`", "`:pool` on a worker")
    return f"Add slots ({grow}), or workers with `-Q {queue}`"


def tasks(filter: str) -> str:
    """The tasks that match."""
    return by_face(f"`lazycelery tasks {filter}`", f"`:tasks {filter}`")


def act_on_tasks(action: str, filter: str) -> str:
    """Retry or revoke the tasks that match."""
    there = f"`:tasks {filter}`, then `:mark.all` and `:{action}`"
    return by_face(f"`lazycelery {action} {filter} --allow {action}`", there)


def act_on_task(action: str, id: str) -> str:
    """Retry or revoke one task."""
    return by_face(f"`lazycelery {action} {id} --allow {action}`", f"`:{action}` on {id}")


def usual() -> str:
    """The figures beside what is usual."""
    return by_face("`lazycelery stats --usual`", "`:view.metrics`")


def _one(worker: str) -> str:
    return "a worker" if worker == "WORKER" else worker
