"""Queues of ours on brokers that know neither exclusive nor expiring ones: how they are called, and how
those of a killed LazyCelery are found and removed."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
import uuid
from pathlib import Path

from lazycelery.sources.kombu.lane import Channel

MARK = "lazycelery"
STALE = 60.0
"""Seconds after which a message that nobody took says that its reader is gone."""
_HOST = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())
_NAME = re.compile(rf"(?:.+\.)?{MARK}-(?P<host>[A-Za-z0-9-]*)-(?P<pid>\d+)-[0-9a-f]{{32}}(?:\..+)?")


def own_name() -> str:
    """A name that tells who we are: `lazycelery-host-pid-random`."""
    return f"{MARK}-{_HOST}-{os.getpid()}-{uuid.uuid4().hex}"


def is_ours(queue: str) -> bool:
    """Whether it is a queue of a LazyCelery, this one or another."""
    return _NAME.fullmatch(queue) is not None


def left_behind(queue: str) -> bool:
    """Whether the process that made it ran on this machine and has ended."""
    found = _NAME.fullmatch(queue)
    return found is not None and found["host"] == _HOST and not _alive(int(found["pid"]))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # Somebody else's: it is there.
    return True


def remove(channel: Channel, queue: str) -> None:
    """Remove a queue of this process, with its bindings."""
    channel.queue_delete(queue)


def sweep_files(channel: Channel, exchange: str) -> None:
    """Remove what killed ones left in a filesystem broker: else their queues would fill up for ever."""
    for routing_key, pattern, queue in channel.get_table(exchange):
        if left_behind(queue) and _has_old_file(Path(channel.data_folder_in), queue):
            channel._delete(queue, exchange, routing_key, pattern)


def _has_old_file(folder: Path, queue: str) -> bool:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.partition(".")[2] == f"{queue}.msg":
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat().st_mtime > STALE:
                        return True
    return False
