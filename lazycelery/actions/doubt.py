"""The messages of a backup that was cut off: which of them are where they were, and must not be doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from lazycelery.actions.backup import BackupFile
from lazycelery.actions.context import Context
from lazycelery.actions.shifting import MOST
from lazycelery.actions.wording import count
from lazycelery.errors import Refused
from lazycelery.model.counting import agreed
from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.sifting import Sifting


def doubtful(context: Context, file: BackupFile) -> dict[bytes, int]:
    """Identity and number of the messages of which the file does not tell what became of them."""
    first = len(file) - file.doubtful
    return {
        context.codec.identity(message.raw): number
        for page in file.numbered()
        for number, message in page
        if number >= first
    }


async def still_waiting(context: Context, file: BackupFile) -> set[bytes]:
    """Those that still wait in their queue, found by looking through it (where looks are not free, it costs).

    Raises `Refused` when the look ended before all were seen: nobody knows then.
    """
    if not file.doubtful:
        return set()
    return await seen(context, file.header.queue, await asyncio.to_thread(doubtful, context, file))


async def seen(context: Context, queue: str, wanted: Collection[bytes]) -> set[bytes]:
    """Which of these messages, by identity, wait in a queue. Raises as `still_waiting`."""
    found: set[bytes] = set()
    if not wanted or not isinstance(context.queues, Sifting):
        return found

    def show(message: StoredMessage) -> None:
        identity = context.codec.identity(message.raw)
        if identity in wanted:
            found.add(identity)

    looked = await context.queues.look_through(queue, show, MOST)
    if looked.cut and len(found) < len(wanted):
        raise Refused(
            f"Whether {count(len(wanted), 'message')} still {agreed(len(wanted), 'wait')} in "
            f"{queue} cannot be seen: "
            f"only {looked.looked:,} of {looked.total:,} {agreed(looked.looked, 'were')} looked at, "
            f"{looked.cut}.",
            "Let workers take some, or restore into another queue and look at it.",
            nothing_done=True,
        )
    return found


async def leave_out_back(context: Context, file: BackupFile, queues: Collection[str | None]) -> int:
    """Leave what waits where restores put it (these queues; `None`: where it was) out of the file; returns
    how many. Raises as `still_waiting`."""

    def every() -> dict[str, dict[bytes, list[int]]]:
        found: dict[str, dict[bytes, list[int]]] = {}
        for page in file.numbered():
            for number, message in page:
                mark = context.codec.identity(message.raw)
                for place in {queue or message.queue for queue in queues}:
                    found.setdefault(place, {}).setdefault(mark, []).append(number)
        return found

    there = set[int]()
    for place, marks in (await asyncio.to_thread(every)).items():
        for mark in await seen(context, place, marks):
            there.update(marks[mark])
    file.leave_out(there)
    return len(there)


async def leave_out_waiting(context: Context, file: BackupFile) -> int:
    """Leave what still waits in its queue out of the file; returns how many. Raises as `still_waiting`."""
    waiting = await still_waiting(context, file)
    wanted = await asyncio.to_thread(doubtful, context, file) if waiting else {}
    file.leave_out({wanted[identity] for identity in waiting})
    return len(waiting)
