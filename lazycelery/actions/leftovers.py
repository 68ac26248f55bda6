"""What a purge that was cut off (killed, lost its broker) left aside on the broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from lazycelery.actions.backup import BackupFile
from lazycelery.actions.context import Context
from lazycelery.actions.wording import count
from lazycelery.errors import LazyCeleryError
from lazycelery.model.action import Outcome, OutcomeItem


@runtime_checkable
class Leftovers(Protocol):
    """Queues that set messages aside while they purge, and can find them again."""

    async def leftovers(self) -> list[str]:
        """Names of what purges left aside."""

    async def recover(self, key: str) -> int:
        """Put one back in front of its queue; returns how many messages it held."""


async def left_aside(context: Context, queue: str) -> list[str]:
    """Leftovers of this queue; empty where the transport has none, or cannot be asked."""
    if not isinstance(context.queues, Leftovers):
        return []
    try:
        return [key for key in await context.queues.leftovers() if queue in key]
    except LazyCeleryError:
        return []


async def give_back(context: Context, keys: Sequence[str], file: BackupFile) -> Outcome:
    """Put them back on the broker. The file repeats these messages, so it is not restored."""
    items, total = [], 0
    for key in keys:
        try:
            number = await context.queues.recover(key) if isinstance(context.queues, Leftovers) else 0
        except LazyCeleryError as error:
            items.append(OutcomeItem(target=key, ok=False, text=str(error)))
            continue
        total += number
        items.append(OutcomeItem(target=key, ok=True, text=f"{count(number, 'message')} put back"))
    failed = sum(not item.ok for item in items)
    proof = f"put back {count(total, 'message')} of {file.header.queue} that never left the broker"
    if total < file.total and not failed:
        proof += f"; {file.path} holds {file.total:,}: compare before restoring the others from it"
    return Outcome(action="restore", done=total, failed=failed, proof=proof, items=items)
