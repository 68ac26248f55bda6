"""What the example shop talks to: pretended services that are slow and fail like real ones."""

from __future__ import annotations

import json
import random
import time
from typing import Any

HOSTILE_NAME = "\x1b[2J\x1b[31mTeapot\x1b[0m [/red][bold]\u202egnp.exe\u202c \x00\x07\r\n" + "x" * 300
"""A product name that nobody should have accepted: escapes, markup, bidi and control characters."""

Luck = random.SystemRandom()
"""Outcomes are not seeded: what failed once may succeed when it is retried."""


class CardDeclined(Exception):
    """The bank said no; trying again will not help."""


class GatewayTimeout(Exception):
    """The payment gateway did not answer; trying again may help."""


class OutOfStock(Exception):
    """Fewer items than ordered."""


def take(shortest: float, longest: float) -> float:
    """Work for some time, and return how long."""
    seconds = Luck.uniform(shortest, longest)
    time.sleep(seconds)
    return round(seconds, 3)


class PaymentGateway:
    """Charges cards."""

    def __init__(self, url: str = "https://pay.example/v2") -> None:
        self.url = url

    def charge(self, order: int, cents: int) -> dict[str, Any]:
        """A receipt. Raises `CardDeclined` or `GatewayTimeout`."""
        answer = self._post("/charges", {"order": order, "cents": cents})
        if answer["status"] == "declined":
            raise CardDeclined(f"order {order}: declined by issuer, code {answer['code']}")
        return answer

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            self._read_socket()
        except TimeoutError as error:
            raise GatewayTimeout(f"POST {self.url}{path}: no answer within 0.4 s") from error
        if Luck.random() < 0.06:
            return {"status": "declined", "code": Luck.choice([51, 54, 61]), **body}
        return {"status": "paid", "receipt": f"rc_{Luck.randrange(10**8):08d}", **body}

    def _read_socket(self) -> None:
        take(0.1, 0.4)
        if Luck.random() < 0.2:
            raise TimeoutError("timed out")


class Warehouse:
    """Knows the stock."""

    def reserve(self, sku: str, count: int) -> int:
        """Items left. Raises `OutOfStock`."""
        take(0.05, 0.2)
        left = Luck.randrange(0, 60)
        if left < count:
            raise OutOfStock(f"{sku}: {count} ordered, {left} left")
        return left - count


class ProductFeed:
    """Reads a supplier's product lines."""

    def parse(self, line: str) -> dict[str, Any]:
        """A product. Raises `ValueError` for a line that is no JSON object or has no price."""
        product = self._decode(line)
        if "price" not in product:
            raise ValueError(f"no price for product {product['name']!r}: {product['name']}")
        return product

    def _decode(self, line: str) -> dict[str, Any]:
        product = json.loads(line)
        if not isinstance(product, dict):
            raise ValueError(f"expected an object, got {type(product).__name__}")
        return product


class Directory:
    """The customer directory, behind a database whose password leaks into its errors."""

    dsn = "postgresql://shop:correct-horse@directory.internal:5432/customers"

    def login(self, user: str, password: str) -> None:
        """Always refuses, and says more than it should."""
        raise PermissionError(f"login of {user} refused by {self.dsn} (password={password})")
