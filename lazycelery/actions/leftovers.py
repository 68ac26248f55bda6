"""What a purge that was cut off (killed, lost its broker) left aside on the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lazycelery.actions import cut_off
from lazycelery.actions.backup import BackupFile
from lazycelery.actions.context import Context
from lazycelery.actions.wording import count
from lazycelery.errors import LazyCeleryError
from lazycelery.model.action import Outcome, OutcomeItem
from lazycelery.sources.protocols.queues import Recovery

UNKNOWN = "whether they were put back is not known"


async def left_aside(context: Context, queue: str) -> list[str]:
    """Leftovers of this queue; empty where the transport has none. Raises what the broker raises: whoever
    restores copies of messages that still are there runs them twice."""
    queues = context.queues
    if not isinstance(queues, Recovery):
        return []
    return [key for key in await queues.leftovers() if queues.left_of(key, queue)]


async def give_back(context: Context, keys: Sequence[str], file: BackupFile) -> Outcome:
    """Put them back on the broker. The file repeats these messages, so it is not restored."""
    items, total, unknown = [], 0, 0
    for key in keys:
        try:
            number = await context.queues.recover(key) if isinstance(context.queues, Recovery) else 0
        except LazyCeleryError as error:
            # Where its answer was lost, the broker may have done it all the same.
            unknown += not error.nothing_done
            why = str(error) if error.nothing_done else f"{UNKNOWN}: {error.title}"
            items.append(OutcomeItem(target=key, ok=False, text=why))
            continue
        total += number
        items.append(OutcomeItem(target=key, ok=True, text=f"{count(number, 'message')} put back"))
    failed = sum(not item.ok for item in items) - unknown
    if not failed and not unknown and total >= file.total:
        await asyncio.to_thread(cut_off.mended, file.path)
    proof = f"put back {count(total, 'message')} of {file.header.queue} that never left the broker"
    if failed or unknown:
        proof += f"; {next(item.text for item in items if not item.ok)}"
    elif total < file.total:
        proof += f"; {file.path} holds {file.total:,}: compare before restoring the others from it"
    return Outcome(action="restore", done=total, failed=failed, unknown=unknown, proof=proof, items=items)
