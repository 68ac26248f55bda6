"""Bulk actions that stopped in the middle, as notices; and the tags by which their tasks are found."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from lazycelery.actions.bulk import resume_command
from lazycelery.actions.planfiles import PlanFiles
from lazycelery.actions.saving import restore_command
from lazycelery.errors import Refused
from lazycelery.model.bulk import Bulk
from lazycelery.model.cluster import Notice
from lazycelery.model.faces import by_face
from lazycelery.store.store import Store

TOLD = 5
"""Plans that are told of, the newest."""


class Plans:
    """What this engine knows of plan files, as last looked for."""

    def __init__(self, files: PlanFiles, store: Store) -> None:
        self._files, self._store = files, store
        self._stopped: list[Bulk] = []
        self._looked = False

    async def known(self) -> None:
        """They have been looked for, once at least."""
        if not self._looked:
            await self.look()

    async def look(self) -> None:
        """See which there are."""
        self._looked = True
        with contextlib.suppress(Refused):
            known = await self._files.all()
            self._stopped = [each for each in known if each.state in ("stopped", "damaged")]
            await self._files.tidy(known)
            self._store.note_tags(await self._files.tags())

    def notices(self) -> list[Notice]:
        """A warning for each that stopped, with what goes on with it."""
        return [_notice(each) for each in self._stopped[:TOLD]]


def _notice(one: Bulk) -> Notice:
    if one.state == "damaged":
        hint = f"`lazycelery plan discard {one.id}` keeps it aside: what was left in it is not done."
        return Notice(code="plan-damaged", severity="warning", title=one.why, subject=one.id, hint=hint)
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(one.created))
    doubt = f", {one.doubtful:,} in doubt" if one.doubtful else ""
    back = f"{one.backup}.part"
    undo = f", `{restore_command(Path(back))}` takes back what was done" if _is_there(one, back) else ""
    return Notice(
        code="plan-stopped",
        severity="warning",
        title=f"A {one.action} of {one.total:,} {one.noun}s stopped after {one.done:,}{doubt} ({when}).",
        subject=one.id,
        hint=by_face(
            f"`{resume_command(one.id, one.action)}` does the rest{undo}, "
            f"`lazycelery plan discard {one.id}` drops it.",
            ":bulk does the rest, or drops it.",
        ),
    )


def _is_there(one: Bulk, part: str) -> bool:
    return bool(one.backup) and Path(part).exists()
