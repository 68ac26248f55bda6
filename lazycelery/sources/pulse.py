"""How workers answer now: the time of a ping, their clock, their memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from lazycelery.model.worker import Pulse
from lazycelery.sources.jsontext import int_or_none
from lazycelery.sources.protocols.mailbox import Mailbox
from lazycelery.sources.worker_replies import is_worker, read_stats

UNITS = {"b": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
SIZE = re.compile(r"^([\d.]+)(b|KB|MB|GB|TB)$")
SILENT = "no answer: its pool blocks it, it is gone, or remote control is off"
NO_PSUTIL = "no memory: psutil is not installed there"


async def pulse(mailbox: Mailbox, workers: Sequence[str], timeout: float = 2.0) -> list[Pulse]:
    """One a worker, by name. The ping goes out alone, so that nothing else delays it."""
    names = sorted({name for name in workers if is_worker(name)})
    if not names:
        return []
    pings = (await mailbox.call("ping", destination=names, timeout=timeout)).replies
    found = {name: Pulse(worker=name, why=SILENT) for name in names}
    for reply in pings:
        if reply.worker in found:
            found[reply.worker].ping, found[reply.worker].why = reply.elapsed, None
    there = [name for name, one in found.items() if one.ping is not None]
    if there:
        clocks, samples, stats = await asyncio.gather(
            *(
                mailbox.call(method, destination=there, timeout=timeout)
                for method in ("clock", "memsample", "stats")
            )
        )
        for name, told in clocks.by_worker().items():
            if name in found and isinstance(told, dict):
                found[name].clock = int_or_none(told.get("clock"))
        for name, told in samples.by_worker().items():
            if name in found:
                found[name].memory = _bytes(told)
        for name, told in stats.by_worker().items():
            if name in found and (known := read_stats(name, told)) is not None:
                found[name].uptime, found[name].pid, found[name].peak = known.uptime, known.pid, known.rss
        for name in there:
            memory, peak = found[name].memory, found[name].peak
            if memory is None:
                found[name].why = NO_PSUTIL
            elif peak is not None:  # The kernel counts what a process took at most in another place, later.
                found[name].peak = max(memory, peak)
    return list(found.values())


def _bytes(told: object) -> int | None:
    """Bytes of Celery's "54.645MB"."""
    match = SIZE.match(told) if isinstance(told, str) else None
    return None if match is None else round(float(match[1]) * UNITS[match[2]])
