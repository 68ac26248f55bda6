"""A queue, as broker and workers together tell it."""

from __future__ import annotations

from typing import Literal

import msgspec

from lazycelery.model.hold import Hold


class Queue(msgspec.Struct, kw_only=True):
    """Field names are the JSON contract of `lazycelery queues`. Rates are messages a second."""

    name: str
    type: str | None = None
    messages: int | None = None
    unacked: int | None = None
    consumers: int | None = None
    oldest_age: float | None = None
    """Seconds the next message has waited, where the broker tells: RabbitMQ, when it has a timestamp."""
    unacked_age: float | None = None
    """Seconds since the oldest unacknowledged delivery, where the broker tells (Redis)."""
    wait_estimate: float | None = None
    """Seconds a message sent now would wait, from the present out-rate."""
    in_rate: float | None = None
    out_rate: float | None = None
    drain_time: float | None = None
    """Seconds until empty at present rates; `None` when it does not shrink or nothing is known."""
    priorities: dict[str, int] = {}
    workers: list[str] = []
    history: list[int] = []
    """Depths of the last minutes, oldest first, one a probe."""
    age: float | None = None
    """Seconds since it was last probed."""
    error: str | None = None
    why: str | None = None
    """The verdict in one sentence: "nobody consumes it. Did you mean default?"."""
    trouble: Literal["critical", "warning"] | None = None
    """The worst that the doctor finds about it."""
    held: Hold | None = None
    """Since when, by whom and at which workers it is held; `None` when it is not."""
    bound: bool = True
    memory: int | None = None
    """Bytes of the broker's memory."""
    policy: str | None = None
    first_priority: int | None = None
    """The priority that runs first, where the queue has priorities of RabbitMQ; on Redis it is 0."""
    dead_letter_to: str | None = None
    """The queue that gets what is rejected, expires or does not fit here."""
    dead_letter_from: list[str] = []
    """Queues whose dead letters come here."""
    dead_letter_exchange: str | None = None
    """Where they are sent to; with `dead_letter_to` unknown they may go nowhere. `""` is the default one."""
    dead_letter_lost: str | None = None
    """Why dead letters certainly go nowhere: "there is no exchange dlx"."""
    delayed: int | None = None
    """Tasks that the broker holds until their ETA, beside `messages`; `None` where that is not known."""
    folded: str | None = None
    """What it stands for, when it is several queues of the broker's own: nothing is taken from those."""
    sources: dict[str, str] = {}
    stamp: int = 0
