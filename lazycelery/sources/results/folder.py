"""Results in a folder (file://): one file a task, `celery-task-meta-…`. Read directly: Celery's own class
writes a file to see whether it may."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.sources.protocols.results import DeliverResults
from lazycelery.sources.protocols.status import StatusChange, TellStatus
from lazycelery.sources.results.choice import given
from lazycelery.sources.results.documents import HEAD, MAX_DOCUMENT, TAIL, read_cut, read_document
from lazycelery.sources.results.redis import key_prefix
from lazycelery.sources.results.thread import Thread

POLL = 1.0
"""Seconds between two looks; longer when a look takes long."""
SHARE = 20
AT_ONCE = 100
"""Results told in one go: a few milliseconds of whoever hears them."""
MOST_FILES = 50_000
"""Beyond it the folder is not listed any more: results are read by id."""


class FolderResults:
    """The `Results` of a folder."""

    one_by_one = False

    def __init__(self, url: str, profile: Profile) -> None:
        path = url.strip().removeprefix("file://").removeprefix("localhost")
        self._folder = Path(unquote(path))
        self.url = f"file://{self._folder}"
        self._prefix = f"{key_prefix(profile.result_prefix)}celery-task-meta-"
        self._thread = Thread(self.url, profile.timeout, self._explain)
        self._seen: dict[str, float] | None = None
        """Name -> when it was written, as last seen."""

    async def get(self, ids: Sequence[str]) -> dict[str, ResultReport]:
        """Results by task id; ids without one are left out."""
        found = await self._thread.do(
            lambda: [self._read(self._prefix + each) for each in dict.fromkeys(ids)]
        )
        return {report.id: report for report in found if report is not None}

    async def newest(self, limit: int = 200) -> list[ResultReport]:
        """Those whose files were written last."""

        def look() -> list[ResultReport | None]:
            files = self._list()
            names = sorted(files, key=lambda name: files[name], reverse=True)[:limit]
            return [self._read(name) for name in names]

        return [report for report in await self._thread.do(look) if report is not None]

    async def run(self, deliver: DeliverResults, status: TellStatus) -> None:
        """Look for new files until cancelled."""
        while True:
            began = time.monotonic()
            try:
                reports = await self._thread.do(self._fresh)
            except LazyCeleryError as problem:
                status(StatusChange("lost", problem.title, problem.hint, next_try=time.time() + 5))
                await asyncio.sleep(5)
                continue
            status(StatusChange("connected"))
            for start in range(0, len(reports), AT_ONCE):
                deliver(reports[start : start + AT_ONCE])
                await asyncio.sleep(0)
            await asyncio.sleep(max(POLL, SHARE * (time.monotonic() - began)))

    def commands_sent(self) -> int:
        """Looks at the folder since the start."""
        return self._thread.commands

    async def close(self) -> None:
        """End the thread."""
        await self._thread.close(lambda: None)

    # ---- in the thread

    def _fresh(self) -> list[ResultReport]:
        files, before = self._list(), self._seen
        self._seen = files
        if before is None:
            return []
        changed = [name for name, at in files.items() if before.get(name) != at]
        return [report for name in changed if (report := self._read(name)) is not None]

    def _list(self) -> dict[str, float]:
        files: dict[str, float] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(self._prefix):
                    try:
                        files[entry.name] = entry.stat().st_mtime
                    except OSError:
                        continue  # Celery's clean-up was quicker.
                    if len(files) >= MOST_FILES:
                        raise ConnectionProblem(
                            f"{self._folder} holds over {MOST_FILES:,} results: they are read by id only.",
                            "result_expires and celery beat's clean-up keep it small.",
                        )
        return files

    def _read(self, name: str) -> ResultReport | None:
        if os.sep in name or "\0" in name:
            return None  # An id from the wire must not lead out of the folder.
        task_id = name.removeprefix(self._prefix)
        try:
            with open(self._folder / name, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size <= MAX_DOCUMENT:
                    return read_document(task_id, file.read())
                head = file.read(HEAD)
                file.seek(-TAIL, os.SEEK_END)
                return read_cut(task_id, head, file.read(TAIL), size)
        except OSError:
            return None

    def _explain(self, error: BaseException) -> LazyCeleryError:
        if isinstance(error, FileNotFoundError):
            return ConnectionProblem(f"There is no folder {self._folder}.", given("file:///…"))
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        return ConnectionProblem(f"{self._folder} cannot be read: {why}.", "Run it as the workers' user.")
