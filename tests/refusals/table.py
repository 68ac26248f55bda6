"""Every action there is: its command, its key, and what is written before its question comes."""

from __future__ import annotations

from typing import get_args

import pytest

from lazycelery.keys import ACTIONS, Action
from lazycelery.model.action import ActionName
from lazycelery.tui.deeds import CANVAS

NAMES: tuple[ActionName, ...] = get_args(ActionName)
COMMANDS: dict[ActionName, tuple[str, ...]] = {
    "retry": ("retry", "id-0"),
    "revoke": ("revoke", "id-0"),
    "terminate": ("terminate", "id-0"),
    "purge": ("purge", "default"),
    "move": ("move", "default", "other"),
    "delete": ("delete", "default", "name:x"),
    "requeue": ("requeue", "dead"),
    "export": ("export", "default", "out.ndjson"),
    "restore": ("restore", "--orphans"),
    "events": ("worker", "events", "on"),
    "pool": ("worker", "pool", "grow", "1", "w1@a"),
    "consumers": ("worker", "consume", "default", "w1@a"),
    "limits": ("worker", "rate-limit", "shop.add", "10/m"),
    "shutdown": ("worker", "shutdown", "w1@a"),
    "service": ("worker", "service", "restart", "w1@a"),
    "send": ("send", "shop.add"),
    "beat": ("beat", "disable", "nightly"),
}
HARMLESS = ("export",)
"""Changes nothing on the cluster, and is not confirmed."""
KEYS = [action for action in ACTIONS if action.permission is not None]
PANES = {"everywhere": "3", "workers": "1", "queues": "2", "tasks": "3", "errors": "e", "beat": "B"}
TYPED = {"move": "other", "delete": "name:x"}
"""What is written before the question comes; else the first thing that is offered is taken."""
ANY_OF = {"canvas": CANVAS}
"""A key that opens with any of several permissions; what is chosen then needs its own."""
each_action = pytest.mark.parametrize("name", NAMES)
each_pane = pytest.mark.parametrize("scope", PANES)


def keys_of(scope: str) -> list[Action]:
    return [action for action in KEYS if action.scope == scope]
