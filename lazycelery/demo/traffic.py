"""Customers of the example shop: `python -m lazycelery.demo.traffic [SEED]` sends until it is ended."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from celery import chain, chord, group
from kombu.exceptions import OperationalError

from lazycelery.demo import leash, shop
from lazycelery.demo.story import Step, story

MISSPELT = "defualt"
FULL: dict[str, int] = {"high": 200, "default": 200, "low": 300, MISSPELT: 7}
"""Waiting messages above which a queue gets nothing more: without workers nothing may pile up."""

Data = dict[str, Any]


def order(data: Data) -> None:
    """A chain of four over two queues."""
    number = data["order"]
    chain(
        shop.charge.si(number, data["cents"], card="4111 1111 1111 1111", api_key="sk_live_51H8x"),
        shop.reserve.si(number, data["sku"], data["count"]),
        shop.ship.si(number, data["country"]),
        shop.mail.si(f"customer{number}@example.org", f"Order {number} is on its way"),
    ).apply_async(priority=data["priority"])


def photos(data: Data) -> None:
    """A handful of photos, all of one priority."""
    for number in range(data["count"]):
        shop.thumbnail.apply_async((f"{data['album']}-{number}.jpg", 256), priority=data["priority"])


def offers(data: Data) -> None:
    """A chord."""
    chord(shop.price.s(supplier, data["sku"]) for supplier in data["suppliers"])(
        shop.best_price.s(sku=data["sku"])
    )


def newsletter(data: Data) -> None:
    """A group."""
    readers = range(data["readers"])
    group(
        shop.mail.s(f"reader{reader}@example.org", f"Newsletter {data['issue']}") for reader in readers
    ).apply_async()


def report(data: Data) -> None:
    """A long one."""
    shop.report.delay(data["month"], pages=data["pages"])


def remind(data: Data) -> None:
    """One that waits at its worker until its ETA."""
    shop.remind.apply_async((data["cart"], f"customer{data['cart']}"), countdown=data["countdown"])


def product(data: Data) -> None:
    """A line that a supplier sent."""
    shop.import_product.delay(data["line"])


def hostile(data: Data) -> None:
    """A product with a hostile name, which comes back in the error."""
    shop.import_product.delay(json.dumps({"name": data["name"]}))


def secrets(data: Data) -> None:
    """Passwords where they should not be."""
    shop.sync_account.delay(
        f"user{data['number']}", password="hunter2", api_key="sk_live_51H8x", options={"token": "eyJhbGciOi"}
    )


def webhook(data: Data) -> None:
    """Sometimes ignored, sometimes rejected."""
    shop.webhook.delay(**data)


def stock(data: Data) -> None:
    """Expires when the queue is long."""
    shop.refresh_stock.apply_async((data["sku"],), expires=5, priority=9)


def video(data: Data) -> None:
    """Kills its child process when it wants too much memory."""
    shop.render_video.delay(**data)


def misspelt(data: Data) -> None:
    """Goes to a queue that nobody consumes."""
    shop.mail.apply_async((f"lost{data['number']}@example.org", "Where am I?"), queue=MISSPELT)


SCENES: dict[str, tuple[str, Callable[[Data], None]]] = {
    "order": ("high", order),
    "photos": ("low", photos),
    "offers": ("default", offers),
    "newsletter": ("default", newsletter),
    "report": ("default", report),
    "remind": ("default", remind),
    "product": ("default", product),
    "rubbish": ("default", product),
    "hostile": ("default", hostile),
    "secrets": ("default", secrets),
    "webhook": ("default", webhook),
    "stock": ("low", stock),
    "video": ("high", video),
    "oom": ("high", video),
    "misspelt": (MISSPELT, misspelt),
}
"""The queue a scene fills first, and how it is sent."""


def depth(queue: str) -> int:
    """Waiting messages of a queue; 0 when it does not exist."""
    with shop.app.connection_or_acquire() as connection:
        try:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            return 0


def play(step: Step) -> None:
    """Send a step, unless its queue is full."""
    queue, send = SCENES[step.scene]
    if depth(queue) < FULL[queue]:
        send(step.data)


def main() -> None:
    """Follow the story until ended; a broker that is away for a while costs the steps of that while."""
    leash.hold()
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else None
    start = time.monotonic()
    for step in story(seed):
        time.sleep(max(0.0, start + step.at - time.monotonic()))
        try:
            play(step)
        except OperationalError:
            time.sleep(1.0)


if __name__ == "__main__":
    main()
