"""What happens in the shop, and when: an endless, seeded sequence, true without any broker."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from lazycelery.demo.services import HOSTILE_NAME


class Step(NamedTuple):
    """One thing to send, `at` seconds after the start."""

    at: float
    scene: str
    data: dict[str, Any]


RHYTHM: dict[str, float] = {
    "order": 2.2,
    "offers": 14.0,
    "newsletter": 30.0,
    "report": 35.0,
    "remind": 8.0,
    "product": 5.0,
    "rubbish": 20.0,
    "hostile": 70.0,
    "secrets": 50.0,
    "webhook": 7.0,
    "stock": 4.0,
    "video": 18.0,
    "oom": 150.0,
    "misspelt": 25.0,
}
"""Mean seconds between two of a scene."""

OPENING = ("rubbish", "secrets", "offers", "order", "report", "misspelt", "remind", "hostile", "order")
"""Comes at once, so that the first picture is not an empty one."""

WAVE = 100.0
"""Seconds from one flood of photos to the next."""
FLOOD = 40.0
"""Seconds of a wave in which more photos come than one worker can shrink."""


def story(seed: int | None) -> Iterator[Step]:
    """Steps in order of time, the same ones for the same seed."""
    chance = Random(seed)
    waiting = [(chance.expovariate(1 / mean), scene) for scene, mean in RHYTHM.items()]
    waiting.append((0.0, "photos"))
    heapq.heapify(waiting)
    for scene in OPENING:
        yield Step(0.0, scene, _data(scene, chance))
    while True:
        at, scene = heapq.heappop(waiting)
        yield Step(at, scene, _data(scene, chance))
        heapq.heappush(waiting, (at + _pause(scene, at, chance), scene))


def _pause(scene: str, at: float, chance: Random) -> float:
    if scene == "photos":
        return 2.0 if at % WAVE < FLOOD else 8.0
    return chance.uniform(0.4, 1.6) * RHYTHM[scene]


def _data(scene: str, chance: Random) -> dict[str, Any]:
    number = chance.randrange(1000, 99999)
    sku = chance.choice(["teapot", "kettle", "cup-blue", "cup-red", "saucer", "strainer"])
    match scene:
        case "order":
            return {
                **{"order": number, "sku": sku, "count": chance.randrange(1, 4)},
                **{"cents": chance.randrange(500, 30000), "country": chance.choice(["DE", "FR", "JP", "BR"])},
                "priority": chance.choice([0, 0, 3, 6, 9]),
            }
        case "photos":
            return {"album": number, "count": 9, "priority": chance.choice([0, 3, 6, 9])}
        case "offers":
            return {"sku": sku, "suppliers": chance.sample(["north", "south", "east", "west", "moon"], 4)}
        case "newsletter":
            return {"issue": number, "readers": chance.randrange(4, 9)}
        case "report":
            return {"month": f"2026-{chance.randrange(1, 13):02d}", "pages": chance.choice([8, 15, 25, 60])}
        case "remind":
            return {"cart": number, "countdown": chance.randrange(15, 90)}
        case "product":
            return {"line": f'{{"name": "{sku}", "price": {number}}}'}
        case "rubbish":
            return {
                "line": chance.choice(["<html>503</html>", "[]", '{"name": "cup"}', '{"name": "cup", ']),
                "n": number,
            }
        case "hostile":
            return {"name": HOSTILE_NAME}
        case "webhook":
            return {"delivery": f"d-{number}", "seen": chance.random() < 0.1, "signed": chance.random() > 0.1}
        case "video":
            return {"video": f"v{number}", "memory": chance.randrange(100, 900)}
        case "oom":
            return {"video": f"v{number}-8k", "memory": 6000}
        case _:
            return {"number": number, "sku": sku}
