"""A real cluster under examination."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lazycelery.engine.engine import Engine
from lazycelery.model.finding import Examination, Finding
from lazycelery.model.profile import Profile


class Clinic:
    """An engine, and questions to its doctor."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def codes(self) -> set[str]:
        return {finding.code for finding in (await self.engine.doctor()).findings}

    async def finds(self, code: str, subject: str | None = None, within: float = 20) -> Finding:
        """The finding, as soon as it is there."""
        deadline = time.monotonic() + within
        while True:
            examination = await self.engine.doctor()
            for finding in examination.findings:
                if finding.code == code and subject in (None, finding.subject):
                    assert finding.evidence and finding.fix and finding.since and finding.page
                    return finding
            assert time.monotonic() < deadline, _told(examination)
            await asyncio.sleep(0.25)

    async def cured(self, code: str, within: float = 20) -> None:
        """The finding goes away, and stays away for a moment."""
        deadline = time.monotonic() + within
        while code in await self.codes():
            assert time.monotonic() < deadline, f"{code} stays"
            await asyncio.sleep(0.25)
        await asyncio.sleep(1)
        assert code not in await self.codes()

    async def silent(self, code: str, seconds: float = 2) -> None:
        """It is looked for, and not found, for a while: nobody is called ill who is not."""
        ends, looked = time.monotonic() + seconds, False
        while time.monotonic() < ends:
            examination = await self.engine.doctor()
            assert code not in {finding.code for finding in examination.findings}, _told(examination)
            looked = looked or code in examination.checked
            await asyncio.sleep(0.25)
        assert looked, _told(await self.engine.doctor())

    async def healthy(self, seconds: float = 4) -> None:
        """No finding at all, for a while."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            examination = await self.engine.doctor()
            assert examination.healthy, _told(examination)
            await asyncio.sleep(0.5)


@asynccontextmanager
async def clinic(
    broker: str, ready: bool = True, limits: dict[str, float] | None = None, **profile: Any
) -> AsyncIterator[Clinic]:
    quick = {"control_refresh": 1.0, "timeout": 1.0, "refresh": 0.5}
    engine = Engine(Profile(broker=broker, doctor=limits or {}, **{**quick, **profile}))
    await engine.start()
    try:
        if ready:
            await engine.ready(10)
        yield Clinic(engine)
    finally:
        await engine.close()


def _told(examination: Examination) -> str:
    found = [(one.code, one.subject, one.title) for one in examination.findings]
    return f"found {found}; not looked for: {[(one.code, one.why) for one in examination.unchecked]}"
