"""The schedule of the fake engine's shop: each kind, and each of what can be said of an entry."""

from __future__ import annotations

from typing import Any

from lazycelery.model.beat import Beat, BeatEntry, SchedulerState
from lazycelery.model.timing import Timing, crontab, words


def entry(name: str, task: str, timing: Timing, **own: Any) -> BeatEntry:
    return BeatEntry(name=name, task=task, schedule=words(timing), timing=timing, **own)


def every(seconds: float) -> Timing:
    return Timing(kind="interval", every=seconds)


def daily(hour: str, zone: str = "Europe/Berlin") -> Timing:
    fields = {"minute": "30", "hour": hour}
    return crontab(fields, f"30 {hour} * * *", zone)


def schedule(now: float) -> Beat:
    known: dict[str, Any] = {"scheduler": "redbeat", "enabled": True, "static": True, "late": 0.0}
    return Beat(
        at=now,
        entries=[
            entry(
                "close the books",
                "shop.report",
                daily("2"),
                queue="reports",
                last_run=now - 86_400 + 1600,
                next_run=now + 1598,
                runs=212,
                **known,
            ),
            entry(
                "refresh stock",
                "stock.reserve",
                every(30),
                last_run=now - 12,
                next_run=now + 18,
                runs=90_412,
                **known,
            ),
            entry(
                "remind",
                "mail.send",
                every(600),
                queue="mail",
                last_run=now - 2400,
                next_run=now - 1800,
                runs=77,
                args=[1],
                kwargs={"template": "cart"},
                **{**known, "late": 1800.0},
            ),
            entry(
                "sweep",
                "search.index",
                every(3600),
                scheduler="redbeat",
                enabled=False,
                last_run=now - 9e5,
                runs=3,
                unknown={"next_run": "It is disabled."},
            ),
            entry(
                "thumbnails",
                "shop.thumbnail",
                daily("*/4"),
                scheduler="conf",
                unknown={"last_run": "Not seen yet.", "enabled": "Settings have no switch."},
                next_run=now + 7e3,
            ),
        ],
        schedulers=[
            SchedulerState(
                name="redbeat",
                place="redis://db1:6379/2",
                state="connected",
                entries=4,
                switches=True,
                locked=1490.0,
                at=now,
            ),
            SchedulerState(
                name="conf",
                place="the workers' settings",
                state="connected",
                entries=1,
                at=now,
                why_not="They can be changed only in the application.",
            ),
        ],
    )
