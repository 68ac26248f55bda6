"""Steps that wait inside messages, however those are made."""

from __future__ import annotations

from typing import Any

from lazycelery.model.canvas import DEEPEST, steps


def test_a_body_inside_bodies_without_end_is_read_so_far_and_no_further() -> None:
    body: dict[str, Any] = {"task": "shop.last", "options": {}}
    for _ in range(5000):
        body = {"task": "shop.body", "options": {"chord": body}}
    assert len(steps({"chord": body}, "abc")) == DEEPEST + 1
