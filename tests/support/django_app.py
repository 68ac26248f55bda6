"""The app of `tests.support.tasks` in a Django project with the database of $TEST_DJANGO_DB.

`python -m tests.support.django_app` makes the tables by Django's migrations, and the entries of
$TEST_ENTRIES.
"""

from __future__ import annotations

import json
import os
from typing import Any

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django_celery_beat"],
    DATABASES={"default": json.loads(os.environ["TEST_DJANGO_DB"])},
    USE_TZ=True,
    TIME_ZONE="UTC",
    SECRET_KEY="of no use",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from tests.support.tasks import app  # noqa: E402

__all__ = ["app"]


def make(entries: list[dict[str, Any]]) -> None:
    """Tables, and entries with one of `interval`, `crontab`, `solar`, `clocked` as a table of its fields."""
    from django.core.management import call_command
    from django_celery_beat import models

    call_command("migrate", verbosity=0)
    kinds = {
        "interval": models.IntervalSchedule,
        "crontab": models.CrontabSchedule,
        "solar": models.SolarSchedule,
        "clocked": models.ClockedSchedule,
    }
    for entry in entries:
        kind = next(kind for kind in kinds if kind in entry)
        entry[kind] = kinds[kind].objects.create(**entry[kind])
        models.PeriodicTask.objects.create(**entry)


if __name__ == "__main__":
    make(json.loads(os.environ.get("TEST_ENTRIES", "[]")))
