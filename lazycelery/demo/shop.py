"""The example shop: an ordinary Celery app, with the habits and mishaps of ordinary ones.

Its workers import it, nothing else does. `$LAZYCELERY_DEMO_BROKER` is broker and result backend.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from billiard import current_process
from celery import Celery, Task
from celery.exceptions import Ignore, Reject
from celery.utils.log import get_task_logger
from kombu import Exchange, Queue

from lazycelery.demo import folder
from lazycelery.demo.services import (
    Directory,
    GatewayTimeout,
    Luck,
    OutOfStock,
    PaymentGateway,
    ProductFeed,
    Warehouse,
    take,
)

BROKER = os.environ["LAZYCELERY_DEMO_BROKER"]
RESULTS_KEPT = 600
"""Seconds."""

log = get_task_logger(__name__)
app = Celery(
    "shop",
    broker=folder.SCHEME if folder.is_folder(BROKER) else BROKER,
    backend=folder.backend(BROKER),
)
app.conf.update(
    broker_transport_options=folder.options(BROKER),
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in ("high", "default", "low")],
    task_default_queue="default",
    task_default_exchange="default",
    task_default_routing_key="default",
    task_routes={
        "shop.charge": {"queue": "high"},
        "shop.render_video": {"queue": "high"},
        "shop.thumbnail": {"queue": "low"},
        "shop.refresh_stock": {"queue": "low"},
    },
    task_send_sent_event=True,
    task_track_started=True,
    result_extended=True,
    result_expires=RESULTS_KEPT,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task(
    name="shop.charge",
    bind=True,
    autoretry_for=(GatewayTimeout,),
    max_retries=3,
    retry_backoff=2,
    retry_backoff_max=10,
)
def charge(self: Task[Any, Any], order: int, cents: int, card: str = "", api_key: str = "") -> dict[str, Any]:
    """Charge a card: retried when the gateway is silent, failed when the bank says no."""
    log.info("charging order %s, try %s", order, self.request.retries + 1)
    return PaymentGateway().charge(order, cents)


@app.task(name="shop.reserve", acks_late=True)
def reserve(order: int, sku: str, count: int) -> dict[str, Any]:
    """Reserve stock; acknowledged only when done, so that a killed worker loses no order."""
    return {"order": order, "sku": sku, "left": Warehouse().reserve(sku, count)}


@app.task(name="shop.ship", bind=True, max_retries=2)
def ship(self: Task[Any, Any], order: int, country: str) -> str:
    """Book a parcel; waits for stock where there is none."""
    try:
        Warehouse().reserve("parcel", 1)
    except OutOfStock as error:
        raise self.retry(exc=error, countdown=5) from error
    return f"parcel {order}-{country}"


@app.task(name="shop.mail", rate_limit="20/s")
def mail(to: str, subject: str) -> float:
    """Send one mail."""
    return take(0.05, 0.3)


@app.task(name="shop.thumbnail")
def thumbnail(photo: str, size: int) -> dict[str, Any]:
    """Shrink a photo."""
    return {"photo": photo, "size": size, "seconds": take(0.2, 0.5)}


@app.task(name="shop.refresh_stock")
def refresh_stock(sku: str) -> float:
    """Worthless when late, therefore sent with an expiry."""
    return take(0.05, 0.2)


@app.task(name="shop.report", bind=True, soft_time_limit=40)
def report(self: Task[Any, Any], month: str, pages: int) -> str:
    """A long one, a second a page, which tells its progress."""
    for page in range(1, pages + 1):
        take(0.8, 1.2)
        self.update_state(state="PROGRESS", meta={"page": page, "pages": pages})
        self.send_event("task-progress", page=page, pages=pages)
    return f"report-{month}.pdf"


@app.task(name="shop.price")
def price(supplier: str, sku: str) -> dict[str, Any]:
    """Ask one supplier."""
    take(0.2, 0.8)
    if Luck.random() < 0.05:
        raise ConnectionError(f"{supplier}: connection reset by peer")
    return {"supplier": supplier, "cents": Luck.randrange(500, 9000)}


@app.task(name="shop.best_price")
def best_price(offers: list[dict[str, Any]], sku: str) -> dict[str, Any]:
    """The end of a chord: the cheapest of all offers."""
    return {"sku": sku, **min(offers, key=lambda offer: offer["cents"])}


@app.task(name="shop.remind")
def remind(cart: int, customer: str) -> str:
    """Sent with an ETA: remind of a forgotten cart."""
    take(0.05, 0.1)
    return f"{customer} reminded of cart {cart}"


@app.task(name="shop.import_product")
def import_product(line: str) -> dict[str, Any]:
    """Read a supplier's line; some are rubbish."""
    take(0.02, 0.1)
    return ProductFeed().parse(line)


@app.task(name="shop.sync_account")
def sync_account(user: str, password: str, api_key: str, options: dict[str, Any] | None = None) -> None:
    """Fails with secrets in arguments and error, to show that they are masked."""
    take(0.05, 0.2)
    Directory().login(user, password)


@app.task(name="shop.webhook", acks_late=True)
def webhook(delivery: str, seen: bool = False, signed: bool = True) -> str:
    """Takes itself out when it was seen before, rejects what is not signed."""
    if seen:
        raise Ignore()
    if not signed:
        raise Reject(f"delivery {delivery} is not signed", requeue=False)
    return delivery


@app.task(name="shop.render_video", bind=True)
def render_video(self: Task[Any, Any], video: str, memory: int = 200) -> str:
    """Where it runs in a child process and wants too much memory, the kernel's answer is played."""
    take(0.5, 1.5)
    if memory > 4000:
        if current_process().name == "MainProcess":
            raise MemoryError(f"{memory} MB for {video}")
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{video}.webm"
