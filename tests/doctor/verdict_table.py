"""The sentences in docs/why.md: the tests make each of these states for real, and compare.

Times, process ids and paces differ from run to run; nothing else may.
"""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "why.md"
OTHERWISE = "<br>RabbitMQ: "


def _read() -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.M)
    told = {}
    for title, text in rows:
        redis, _, rabbit = text.partition(OTHERWISE)
        told[title] = redis, rabbit or redis
    return told


SENTENCES = {title: texts for title, texts in _read().items() if title != "it is"}
"""By what it is: the sentence on Redis, and on RabbitMQ."""


def shape(text: str) -> str:
    """A sentence without what differs from run to run: times, process ids, paces, who held it and when, by
    which sign a loss was seen."""
    text = re.sub(r"held by \w+ since \d\d:\d\d", "held by ada since 14:02", text)
    text = re.sub(r"\d+\.\d a second", "9 a second", text)
    text = re.sub(r"(?<![\w.])(\d+(\.\d+)?(ms|s|m|h|d))+(?!\w)", "9s", text)
    text = re.sub(r"process \d+", "process 9", text)
    text = re.sub(r"its (connection|heartbeats) ended", "its connection ended", text)
    return re.sub(r", \d+\.\d more each second", "", text)


def expected(title: str, kind: str) -> str:
    """The sentence of a state, in its shape, on Redis or RabbitMQ."""
    return shape(SENTENCES[title][kind == "rabbit"])
