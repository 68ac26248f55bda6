"""What the audit log is told of one action: a line before it, and one of what came of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from lazycelery.actions.audit import FAILED, INTENT, whoami
from lazycelery.actions.context import Context
from lazycelery.actions.planned import Planned
from lazycelery.errors import Refused
from lazycelery.model.action import AuditEntry, Outcome


class AuditLines:
    """Writes them into the context's audit log. `mark` is how this session signs them."""

    def __init__(self, context: Context, mark: Mapping[str, Any]) -> None:
        self._context, self._mark = context, mark

    async def begun(self, planned: Planned) -> None:
        """The line before it. Raises `Refused` when it cannot be written: then nothing may be done."""
        await self._write(self._entry(planned, INTENT))

    async def ended(self, planned: Planned, outcome: Outcome) -> None:
        """The line after it. Raises `Refused` when it cannot be written."""
        ending = _ending(outcome)
        entry = self._entry(planned, ending)
        entry.ok, entry.proof, entry.backup = ending == "done", outcome.proof, outcome.backup
        entry.plan |= {**_counts(outcome), **_new_ids(outcome)}
        entry.plan |= {"plan_file": outcome.bulk} if outcome.bulk else {}
        entry.plan |= {"tag": outcome.tag} if outcome.tag else {}
        await self._write(entry)

    async def failed(self, planned: Planned, outcome: str, why: str, done: int | None) -> None:
        """The line of what was refused or broke off. `done` is `None` when nobody knows; the backup is the
        file that is really there."""
        entry = self._entry(planned, outcome)
        entry.ok, entry.proof = False, why
        entry.plan["done"] = done
        entry.backup = planned.draft.details.get("kept")
        with contextlib.suppress(Refused):  # What went wrong first is what the person must be told.
            await self._write(entry)

    async def _write(self, entry: AuditEntry) -> None:
        await asyncio.to_thread(self._context.audit.append, entry)

    def _entry(self, planned: Planned, outcome: str) -> AuditEntry:
        context, plan = self._context, planned.plan
        user, host, origin = whoami()
        facts = {"id": plan.id, "count": plan.count, "level": plan.level, **planned.draft.details}
        facts |= self._mark
        if plan.order is not None and plan.order.filter is not None:
            facts["filter"] = context.redactor.text(plan.order.filter)
        return AuditEntry(
            time=context.clock(),
            user=user,
            host=host,
            profile=context.profile.name,
            broker=context.broker,
            action=plan.action,
            title=plan.title,
            targets=[item.target for item in planned.work or plan.items],
            plan=facts,
            backup=plan.backup,
            outcome=outcome,
            origin=origin,
        )


def _ending(outcome: Outcome) -> str:
    if not outcome.failed and not outcome.unknown:
        return "done"
    return "partly done" if outcome.done else "unknown" if outcome.unknown else FAILED


def _counts(outcome: Outcome) -> dict[str, int | None]:
    if not outcome.unknown:
        return {"done": outcome.done, "failed": outcome.failed}
    return {"done": outcome.done or None, "failed": outcome.failed, "unknown": outcome.unknown}


def _new_ids(outcome: Outcome) -> dict[str, dict[str, str]]:
    ids = {item.target: item.new_id for item in outcome.items if item.new_id}
    return {"new_ids": ids} if ids else {}
