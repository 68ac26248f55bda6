"""How Kombu lays queues, bindings and channels out in Redis: the names of its keys."""

from __future__ import annotations

from bisect import bisect

from lazycelery.model.profile import Profile


class Layout:
    """Names of keys and channels for one profile. `prefix` may become known after the start."""

    def __init__(self, profile: Profile, db: int) -> None:
        self.prefix = profile.prefix or ""
        self.sep = profile.sep
        self.steps = sorted({0, *profile.priority_steps})
        self.event_exchange = profile.event_exchange
        self.pidbox = f"{profile.control_exchange}.pidbox"
        self.db = db
        self._unacked, self._index = profile.unacked_key, profile.unacked_index_key

    @property
    def unacked(self) -> str:
        """Hash of delivery tag → [message, exchange, routing key]."""
        return self.prefix + self._unacked

    @property
    def unacked_index(self) -> str:
        """Sorted set of delivery tag → when it was delivered, epoch seconds."""
        return self.prefix + self._index

    @property
    def control_channel(self) -> str:
        """Where commands for workers are published."""
        return f"{self.prefix}/{self.db}.{self.pidbox}"

    @property
    def event_channel(self) -> str:
        """What comes before `/routing.key` in the channels of events."""
        return f"{self.prefix}/{self.db}.{self.event_exchange}"

    def binding(self, exchange: str) -> str:
        """Set of "routing_key sep pattern sep queue"."""
        return f"{self.prefix}_kombu.binding.{exchange}"

    def bound(self, member: bytes) -> tuple[str, str, str]:
        """Routing key, pattern and queue of a member of a binding set; "" for what it does not name."""
        parts = member.decode("utf-8", "replace").split(self.sep)
        return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", "", "")

    def step(self, priority: int | None) -> int:
        """The step of a priority: the greatest one that is not above it."""
        return self.steps[max(bisect(self.steps, priority or 0) - 1, 0)]

    def key(self, queue: str, priority: int | None = 0) -> str:
        """The list that holds a queue's messages of this priority."""
        step = self.step(priority)
        return f"{self.prefix}{queue}{self.sep}{step}" if step else f"{self.prefix}{queue}"

    def keys(self, queue: str) -> dict[int, str]:
        """All lists of a queue by step, in the order in which they are served: 0 first."""
        return {step: self.key(queue, step) for step in self.steps}

    def is_internal(self, queue: str) -> bool:
        """Mailboxes, reply queues and event queues: no task ever waits in them."""
        return not queue or queue.endswith(f".{self.pidbox}") or queue.startswith(f"{self.event_exchange}.")
