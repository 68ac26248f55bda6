"""Marks on findings: kept in a private file that all sessions of this machine share, and in the audit log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Literal

from lazycelery.actions.audit import AuditLog, whoami
from lazycelery.actions.files import state_directory
from lazycelery.actions.shared_file import SharedFile, name_of_cluster
from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.insight.advice import later
from lazycelery.insight.doctor.marks import over, subjects
from lazycelery.model.action import AuditEntry
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Examination, Finding, FindingMark
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.reel import Replay
from lazycelery.model.text import clean

logger = logging.getLogger(__name__)

MarkKind = Literal["ack", "snooze", "clear"]
MOST = 500
LONGEST_NOTE = 200
GONE = 60.0
"""Seconds without a finding after which an acknowledgement without a time is over."""


class FindingMarks:
    """`now` is what the file said last; `fresh` looks whether it is another one."""

    def __init__(
        self, profile: Profile, audit: AuditLog, redactor: Redactor, clock: Callable[[], float]
    ) -> None:
        self._profile, self._audit, self._redactor, self._clock = profile, audit, redactor, clock
        self._file: SharedFile[list[FindingMark]] = SharedFile(
            state_directory() / "findings" / f"{name_of_cluster(profile)}.json",
            list[FindingMark],
            list,
            "The list of acknowledged and snoozed findings",
            "Make room or mend its permissions.",
        )
        self.now: list[FindingMark] = []
        self._stamp: tuple[int, int] | None = None
        self._absent: dict[tuple[str, str], float] = {}
        """Since when what was acknowledged is not there any more."""
        self._seen: set[tuple[str, str]] = set()
        """Marks whose finding was there while this engine looked."""

    async def fresh(self) -> list[FindingMark]:
        """The marks as they are on the disk, without those whose time is over."""
        await asyncio.to_thread(self._read)
        now = self._clock()
        return [mark for mark in self.now if not over(mark, now)]

    def _read(self) -> None:
        try:
            status = self._file.path.stat()
        except OSError:
            self.now, self._stamp = [], None
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self.now = self._file.read()
            except Refused as problem:  # Findings are rather shown than hidden.
                logger.warning("%s", problem)
                self.now = []

    async def put(
        self,
        examination: Examination,
        code: str,
        subject: str,
        kind: MarkKind,
        until: float | None,
        note: str,
        replay: Replay = "",
    ) -> FindingMark:
        """Mark a finding of this examination, or take its mark away; returns the mark that was put or taken.

        Raises `NothingFound`, `UsageError` when several findings could be meant, `Refused` when it cannot be
        written down.
        """
        finding = _meant(examination, code, subject, replay) if kind != "clear" else None
        return await asyncio.to_thread(self._put, finding, code, subject, kind, until, note)

    def _put(
        self,
        finding: Finding | None,
        code: str,
        subject: str,
        kind: MarkKind,
        until: float | None,
        note: str,
    ) -> FindingMark:
        user, host, origin = whoami()
        now = self._clock()
        with self._file.changing() as marks:
            about = subjects(finding) if finding is not None else {subject}
            before = [
                mark
                for mark in marks
                if mark.code == code
                and (not about.isdisjoint(mark.subjects) or (kind == "clear" and not subject))
            ]
            if kind == "clear" or finding is None:
                if not before:
                    raise NothingFound(f"No {code} is acknowledged or snoozed.", "`lazycelery finding list`.")
                mark = before[0]
            else:
                mark = FindingMark(
                    code=code,
                    subject=finding.subject,
                    kind="snooze" if kind == "snooze" else "ack",
                    by=f"{user}@{host}",
                    at=now,
                    until=until,
                    note=clean(self._redactor.text(note), LONGEST_NOTE),
                    severity=finding.severity,
                    subjects=sorted(about),
                )
            entry = AuditEntry(
                time=now,
                user=user,
                host=host,
                origin=origin,
                profile=self._profile.name,
                broker=self._redactor.url(self._profile.broker),
                action=kind,
                title=f"{_WORDS[kind]} {code}{f' of {mark.subject}' if mark.subject else ''}",
                targets=[f"{code}:{mark.subject}"],
                plan={"until": mark.until, "severity": mark.severity, "subjects": len(mark.subjects)},
                outcome="done",
                proof=mark.note,
            )
            self._audit.append(entry)
            marks[:] = [one for one in marks if one not in before and not over(one, now)]
            if kind != "clear":
                marks.append(mark)
            del marks[:-MOST]
        self._stamp = None
        return mark

    def gone(self, present: set[tuple[str, str]], checked: set[str], now: float) -> list[FindingMark]:
        """Acknowledgements without a time whose finding was there, and has been away for a while."""
        ended = []
        for mark in self.now:
            key = (mark.code, mark.subject)
            if any((mark.code, one) in present for one in mark.subjects):
                self._seen.add(key)
                self._absent.pop(key, None)
            elif (
                mark.kind == "ack"
                and mark.until is None
                and mark.code in checked
                and key in self._seen
                and now - self._away(key, now) >= GONE
            ):
                ended.append(mark)
        return ended

    def _away(self, key: tuple[str, str], now: float) -> float:
        since = self._absent[key] = min(self._absent.get(key, now), now)  # The clock may be set back.
        return since

    async def end(self, ended: Sequence[FindingMark]) -> None:
        """Forget marks that no longer hold."""
        if not ended:
            return
        try:
            await asyncio.to_thread(self._end, ended)
        except Refused as problem:  # They do not hold all the same: each look sees that anew.
            logger.warning("%s", problem)

    def _end(self, ended: Sequence[FindingMark]) -> None:
        with self._file.changing() as marks:
            marks[:] = [mark for mark in marks if mark not in ended]
        self._stamp = None


_WORDS = {"ack": "Acknowledge", "snooze": "Snooze", "clear": "Show again"}


def _meant(examination: Examination, code: str, subject: str, replay: Replay = "") -> Finding:
    found = [one for one in (*examination.findings, *examination.snoozed) if one.code == code]
    if not found:
        tells = "`lazycelery doctor` tells what there is" + (" at its end." if replay == "whole" else ".")
        raise NothingFound(
            f"There is no finding {code} {'in this recording' if replay else 'now'}.",
            by_face(tells + later(60, replay, ""), "It has passed meanwhile."),
        )
    fitting = [one for one in found if subject in subjects(one)] if subject else found
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(one.subject or "(the cluster)" for one in found)
    if not fitting:
        raise NothingFound(f"No finding {code} is about {subject}.", f"It is about: {names}.")
    raise UsageError(f"Which {code}? There are {len(fitting)}.", f"Name one of: {names}.")
