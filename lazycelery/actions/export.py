"""Export: write waiting messages to a file in the format of backups. They stay in their queue."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lazycelery.actions import aside, saving, shifting
from lazycelery.actions.backup import BackupWriter
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.purge import by_priority, filled_queue
from lazycelery.actions.wording import count
from lazycelery.errors import UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.message import StoredMessage

PAGE, PAGE_BYTES = 200, 4 * 1024 * 1024
"""Messages written at once."""
SECRETS = "The file holds the messages as they are, secrets in them too. It is readable for you alone."


async def draft(context: Context, order: Order) -> Draft:
    """Count what waits, and choose the file."""
    if order.params.get("tasks"):
        return await aside.draft(context, order)
    if len(order.targets) != 1 or order.filter is not None:
        raise UsageError("Export takes one queue.", "Say `lazycelery export QUEUE FILE`.")
    (queue,) = order.targets
    report, messages = await filled_queue(context, queue, "export")
    cost = await shifting.refuse_costly(context, order, queue)
    wanted = Order(action="export", params={"backup": order.params.get("file")})
    path = saving.backup_path(context, wanted, queue)
    number = min(messages, shifting.most(order))
    what = f"{count(number, 'message')} of {queue}{by_priority(report.priorities)}"
    return Draft(
        title=f"Export {what} to {path}",
        run=partial(_run, context, queue, path, shifting.most(order)),
        count=number,
        items=[PlanItem(target=queue, text=what)],
        harmless=True,
        warnings=[SECRETS, *cost],
        backup=str(path),
        details={"messages": number},
    )


async def _run(context: Context, queue: str, path: Path, most: int) -> Outcome:
    writer = await asyncio.to_thread(BackupWriter, path, saving.header(context, queue, "export"))
    pages = _Pages(context, writer)
    try:
        looked = await shifting.sifting(context).look_through(queue, pages.add, most)
        await pages.end()
        await asyncio.to_thread(writer.finish)
    except BaseException:
        await pages.stop()
        writer.discard()
        raise
    proof = f"exported {count(writer.count, 'message')} of {queue} to {path}; they are still in the queue"
    if looked.cut:
        proof += f"; only {looked.looked:,} of {looked.total:,} were looked at: {looked.cut}"
    if looked.renewed:
        proof += f"; {looked.renewed:,} near the limit of deliveries went back as fresh copies"
    return Outcome(
        action="export",
        done=writer.count,
        failed=0,
        proof=proof,
        items=[OutcomeItem(target=queue, ok=True, text=f"{count(writer.count, 'message')} written")],
        backup=str(path),
    )


class _Pages:
    """Gathers messages while a queue is looked through, and writes them in a thread."""

    def __init__(self, context: Context, writer: BackupWriter) -> None:
        self._context, self._writer = context, writer
        self._thread = ThreadPoolExecutor(1, "export")
        self._page: list[StoredMessage] = []
        self._size = 0
        self._written: list[Future[None]] = []

    def add(self, message: StoredMessage) -> None:
        """One more message. Raises what writing the earlier ones raised."""
        self._page.append(message)
        self._size += len(message.raw)
        if len(self._page) >= PAGE or self._size >= PAGE_BYTES:
            self._flush()
            for done in [each for each in self._written if each.done()]:
                done.result()
                self._written.remove(done)

    def _flush(self) -> None:
        page, self._page, self._size = self._page, [], 0
        self._written.append(self._thread.submit(saving.save, self._context, self._writer, page))

    async def end(self) -> None:
        """Wait until all is on the disk."""
        if self._page:
            self._flush()
        await asyncio.gather(*map(asyncio.wrap_future, self._written))
        self._thread.shutdown(wait=False)

    async def stop(self) -> None:
        """Write nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        await asyncio.gather(*map(asyncio.wrap_future, self._written), return_exceptions=True)
