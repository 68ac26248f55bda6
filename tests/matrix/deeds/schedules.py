"""What is done to entries of beat, and what a rule does by itself."""

from __future__ import annotations

import sqlite3

from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile
from lazycelery.model.rule import Rule
from tests.matrix.deeds.tasks import ran_again, word
from tests.matrix.scene import BOX, ENTRY, Scene, until


def _on(at: Scene) -> bool:
    """As django-celery-beat's database tells."""
    with sqlite3.connect(at.dir / "app.sqlite3") as database:
        query = "select enabled from django_celery_beat_periodictask where name = ?"
        return bool(database.execute(query, (ENTRY,)).fetchone()[0])


async def beat(at: Scene) -> None:
    """An entry, switched off and on again."""
    assert await at.told(_on, at)
    outcome = await at.do("beat", ENTRY, do="disable")
    assert outcome.done == 1 and not await at.told(_on, at), outcome
    await at.undo(outcome)
    assert await at.told(_on, at)


async def beat_enable(at: Scene) -> None:
    off = await at.do("beat", ENTRY, do="disable")
    outcome = await at.do("beat", ENTRY, do="enable")
    assert outcome.done == 1 and await at.told(_on, at), outcome
    await at.undo(outcome)
    assert not await at.told(_on, at)
    await at.undo(off)
    assert await at.told(_on, at)


async def beat_run(at: Scene) -> None:
    """One run more, into the queue that is named; the entry is not touched."""
    await at.told(at.place.content, BOX)
    outcome = await at.do("send", entry=ENTRY, queue=BOX)
    assert outcome.done == 1, outcome
    await at.holds(box=1)
    assert await at.told(at.place.content, BOX) == [outcome.items[0].new_id]
    assert await at.told(_on, at)


async def rule(at: Scene) -> None:
    """A failure is retried until it ends well, and no more; the log names the rule."""
    flag, name = at.dir / word("mended"), word("rule")
    own = Rule(
        name=name,
        task="shop.until_file",
        backoff=0.1,
        retries=50,
        give_up=50,
        apply=True,
        within=60.0,
        aside=False,
    )
    told = at.engine._profile
    engine = Engine(
        Profile(
            allow=["retry"],
            refresh=0.5,
            control_refresh=1.0,
            rules=[own],
            alerting=True,
            history=False,
            audit_file=told.audit_file,
            **at.place.profile,
        )
    )
    await engine.start()
    try:
        await engine.ready(15)
        before = await at.ran("shop.until_file")
        await at.told(at.place.send, "shop.until_file", str(flag))

        async def tried() -> bool:
            return any(entry.plan.get("rule") == name for entry in await engine.audit(50))

        assert await until(tried), await engine.audit(5)
        flag.touch()

        async def settled() -> bool:
            ran = await at.ran("shop.until_file")
            return ran >= before + 2 and flag.exists() and await _same(at, ran)

        assert await until(settled)
        tries = [entry for entry in await engine.audit(100) if entry.plan.get("rule") == name]
        await ran_again(at, "shop.until_file", before + 1 + len(tries))
    finally:
        await engine.close()


async def _same(at: Scene, ran: int) -> bool:
    import asyncio

    await asyncio.sleep(1.5)
    return await at.ran("shop.until_file") == ran
