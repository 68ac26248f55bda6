"""The Celery app that test workers run. The monitor under test never imports it."""

from __future__ import annotations

import json
import os
import signal
import time

from celery import Celery
from celery.exceptions import Ignore, Reject
from celery.schedules import crontab
from celery.worker.control import control_command
from celery.worker.state import SOFTWARE_INFO

app = Celery("shop", broker=os.environ["TEST_BROKER"], backend=os.environ.get("TEST_BACKEND") or None)
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_send_sent_event=os.environ.get("TEST_SENT_EVENTS", "1") == "1",
    task_track_started=os.environ.get("TEST_TRACK_STARTED") == "1",
    worker_pool_restarts=os.environ.get("TEST_POOL_RESTARTS") == "1",
    result_extended=os.environ.get("TEST_EXTENDED") == "1",
    worker_prefetch_multiplier=int(os.environ.get("TEST_PREFETCH", "1")),
    task_create_missing_queue_type=os.environ.get("TEST_QUEUE_TYPE", "classic"),
    task_default_queue_type=os.environ.get("TEST_QUEUE_TYPE", "classic"),
    broker_transport_options={
        key: value
        for key, value in {
            "global_keyprefix": os.environ.get("TEST_PREFIX"),
            "visibility_timeout": int(os.environ.get("TEST_VISIBILITY", "3600")),
        }.items()
        if value
    }
    | json.loads(os.environ.get("TEST_TRANSPORT_OPTIONS", "{}")),
)
if most := os.environ.get("TEST_MAX_PRIORITY"):
    app.conf.task_queue_max_priority = int(most)
if os.environ.get("TEST_QUORUM") == "1":  # As Celery's documentation says it for quorum queues.
    app.conf.update(task_default_queue_type="quorum", task_default_exchange_type="topic")


app.conf.update(json.loads(os.environ.get("TEST_CONF", "{}")))
for entry in app.conf.beat_schedule.values():
    if isinstance(entry["schedule"], str):  # JSON has no crontab: its five fields as cron writes them.
        minute, hour, day_of_month, month_of_year, day_of_week = entry["schedule"].split()
        entry["schedule"] = crontab(
            minute, hour, day_of_week=day_of_week, day_of_month=day_of_month, month_of_year=month_of_year
        )
if "TEST_VERSION" in os.environ:
    SOFTWARE_INFO["sw_ver"] = os.environ["TEST_VERSION"]


@control_command()
def play_deaf(state):
    """The state after some broken connections: the queues are known, and nothing is taken from them."""
    state.consumer.task_consumer.cancel()
    return {"ok": "deaf"}


@app.task(name="shop.poison", acks_late=True, reject_on_worker_lost=True)
def poison():
    """Kills whichever child takes it."""
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="shop.add")
def add(x, y):
    return x + y


@app.task(name="shop.nap")
def nap(seconds, **kwargs):
    time.sleep(seconds)
    return seconds


@app.task(name="shop.charge")
def charge(order, amount=1):
    raise ValueError(f"card declined for order {order}")


@app.task(name="shop.flaky", bind=True, max_retries=3)
def flaky(self, succeed_at=2, countdown=0.2):
    if self.request.retries < succeed_at:
        raise self.retry(exc=TimeoutError("gateway timed out"), countdown=countdown)
    return self.request.retries


@app.task(name="shop.until_file")
def until_file(path):
    """Fails until a file exists: a failure that a retry mends."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"no {path} yet")
    return "found"


@app.task(name="shop.wait_for")
def wait_for(path, at_most=60):
    """Runs until a file exists: a slot that a test holds and lets go."""
    ends = time.monotonic() + at_most
    while not os.path.exists(path) and time.monotonic() < ends:
        time.sleep(0.02)


@app.task(name="shop.breaks")
def breaks(how, order):
    """Fails in one of three ways; each message tells something else each time."""
    if how == "key":
        return {}[f"user_{order}"]
    if how == "json":
        return json.loads("no json" * order)
    raise TimeoutError(f"gateway did not answer for order {order} within {order / 7:.3f} s")


@app.task(name="shop.ignored")
def ignored():
    raise Ignore()


@app.task(name="shop.rejected", acks_late=True)
def rejected():
    raise Reject("not for me", requeue=False)


@app.task(name="shop.echo")
def echo(*args, **kwargs):
    return [list(args), kwargs]


@app.task(name="shop.late", acks_late=True)
def late(seconds):
    time.sleep(seconds)
    return seconds
