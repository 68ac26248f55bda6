"""Which queues of a Kombu transport hold tasks: not mailboxes, events or replies."""

from __future__ import annotations

import re

from lazycelery.model.profile import Profile
from lazycelery.sources.kombu.ours import is_ours

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Internal:
    """Tells Celery's own queues, and ours, from those that hold tasks."""

    def __init__(self, profile: Profile) -> None:
        namespace, events = re.escape(profile.control_exchange), re.escape(profile.event_exchange)
        self._internal = re.compile(
            rf"(.+\.)?{namespace}\.pidbox|.+\.reply\.{namespace}\.pidbox|{events}\..+|{_UUID}"
        )

    def holds_tasks(self, queue: str) -> bool:
        """Whether a queue of this name holds tasks."""
        return bool(queue) and not self._internal.fullmatch(queue) and not is_ours(queue)
