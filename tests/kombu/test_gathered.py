"""Events that the reading thread gathered for the loop."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from lazycelery.sources.kombu import events
from lazycelery.sources.kombu.events import _Gathered
from lazycelery.sources.kombu.lane import Lane
from lazycelery.sources.protocols.events import EventBatch


def test_a_batch_that_filled_up_says_that_others_wait_behind_it(monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "MOST", 2)
    due: list[Callable[[], None]] = []
    told: list[EventBatch] = []
    gathered = _Gathered(cast("Lane", SimpleNamespace(soon=due.append)), told.append)
    one = {"type": "worker-heartbeat", "hostname": "w@h", "timestamp": 1.0, "utcoffset": 0, "clock": 1}
    message = SimpleNamespace(body=json.dumps(one).encode())
    gathered.take(message)
    due.pop()()
    assert [(len(batch.events), batch.more) for batch in told] == [(1, False)]
    gathered.take(message)
    thread = threading.Thread(target=gathered.take, args=(message,))
    thread.start()
    while gathered._room.is_set():
        thread.join(0.01)
    due.pop()()
    thread.join(2.0)
    assert not thread.is_alive()
    assert [(len(batch.events), batch.more) for batch in told[1:]] == [(2, True)]
