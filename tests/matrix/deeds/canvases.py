"""What is done to whole chains. Groups and chords need results: tests/actions/test_canvases.py."""

from __future__ import annotations

from typing import Any

from celery import chain
from kombu import Queue

from tests.matrix.deeds.tasks import begun, idle, ran_again, reached, word
from tests.matrix.scene import BOX, W1, Scene

RUNS_ON = "revoking does not stop that"


async def _chained(at: Scene, queue: str, name: str, *args: Any) -> list[str]:
    """Sends a chain: a task, then another in the queue of work. Their ids."""

    def sent() -> list[str]:
        with at.place.app() as app:
            whole = chain(app.signature(name, args=args), app.signature("shop.echo", args=("last",)))
            last = whole.apply_async(queue=Queue(queue, no_declare=True))
            return [last.parent.id, last.id]

    return list(await at.told(sent))


async def _seen(at: Scene) -> None:
    """Let the engine see the message that waits, once the broker shows it."""
    if at.place.kind != "memory":
        await at.holds(box=1)
        await at.engine.peek(BOX, force=True)


async def retry_canvas(at: Scene) -> None:
    """The first step fails; it is sent again, and the second one runs."""
    await at.told(at.place.content, BOX)
    flag = at.dir / word("mended")
    first, _ = await _chained(at, BOX, "shop.until_file", str(flag))
    await _seen(at)
    added = await at.do("consumers", BOX, do="add", workers=[W1]) if at.place.works else None
    try:
        if at.place.works:
            await reached(at, "failure", first)
        before = await at.ran("shop.echo") if at.place.works else 0
        flag.touch()
        outcome = await at.do("retry", first, canvas=True)
        assert outcome.done == 1, outcome
        await ran_again(at, "shop.echo", before + 1)
    finally:
        if added is not None:
            await at.undo(added)


async def revoke_canvas(at: Scene) -> None:
    """A chain that waits, with the step that is not sent yet."""
    await at.told(at.place.content, BOX)
    ids = await _chained(at, BOX, "shop.add", 1, 2)
    await _seen(at)
    outcome = await at.do("revoke", ids[0], canvas=True)
    assert outcome.done == 2, outcome
    assert {*ids} <= {*await at.ask("revoked")}
    await at.told(at.place.content, BOX)


async def terminate_canvas(at: Scene) -> None:
    """Where no signal reaches what runs, the plan says that it goes on."""
    queue = "celery" if at.place.works else BOX
    never = at.dir / word("never")
    id, _ = await _chained(at, queue, "shop.wait_for", str(never))
    try:
        if at.place.works:
            await begun(at, id)
        if at.pool == "threads":
            assert RUNS_ON in await at.warned("terminate", id, canvas=True, signal="KILL")
        await at.do("terminate", id, canvas=True, signal="KILL")
        if at.pool == "threads":
            assert id in await at.ask("revoked") and [job["id"] for job in await at.ask("active")] == [id]
            return
        await idle(at)
    finally:
        never.touch()
