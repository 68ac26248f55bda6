"""Set aside: write the messages of failed tasks, as they can be rebuilt, into a file that `restore` reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lazycelery.actions import retry, saving
from lazycelery.actions.backup import BackupWriter
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.resending import Resend, stored
from lazycelery.actions.wording import count, short
from lazycelery.model.action import Order, Outcome, OutcomeItem


async def draft(context: Context, order: Order) -> Draft:
    """Grade every task as for a retry, and choose the file."""
    judged, warnings = await retry.judged(context, order)
    work = [each.resend for each in judged if each.resend is not None]
    queue = work[0].queue if work else "tasks"
    wanted = Order(action="export", params={"backup": order.params.get("file")})
    path = saving.backup_path(context, wanted, f"{queue}-aside")
    return Draft(
        title=f"Set {count(len(work), 'task')} aside in {path}",
        run=partial(_run, context, work, path),
        count=len(work),
        items=[each.item for each in judged],
        harmless=True,
        warnings=warnings,
        hint=next((each.hint for each in judged if each.hint), ""),
        backup=str(path),
        details={"tasks": len(work)},
    )


async def _run(context: Context, work: Sequence[Resend], path: Path) -> Outcome:
    messages = [stored(context, resend) for resend in work]
    header = saving.header(context, work[0].queue, "aside")
    writer = await asyncio.to_thread(BackupWriter, path, header)
    try:
        await asyncio.to_thread(saving.save, context, writer, messages)
        await asyncio.to_thread(writer.finish)
    except BaseException:
        writer.discard()
        raise
    return Outcome(
        action="export",
        done=len(work),
        failed=0,
        proof=f"set {count(len(work), 'task')} aside in {path}; `{saving.restore_command(path)}` sends them",
        items=[
            OutcomeItem(
                target=each.old_id,
                ok=True,
                text=f"as {short(each.new_id)}…, for {each.queue}",
                new_id=each.new_id,
            )
            for each in work
        ],
        backup=str(path),
        undo=saving.restore_command(path),
    )
