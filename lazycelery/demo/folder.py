"""The demo's broker where no server is to be had: a folder, through Kombu's filesystem transport."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SCHEME = "filesystem://"
POLL = 0.1
"""Seconds between two looks of a worker for messages."""


def make(directory: Path) -> str:
    """Make the folders of a broker, and return its URL."""
    folder = directory / "broker"
    for each in (folder / "control", folder / "results"):
        each.mkdir(parents=True)
    return f"{SCHEME}{folder}"


def is_folder(url: str) -> bool:
    """Whether a broker is a folder."""
    return url.startswith(SCHEME)


def backend(url: str) -> str:
    """Where the results of this broker's demo are."""
    return f"file://{url.removeprefix(SCHEME)}/results" if is_folder(url) else url


def options(url: str) -> dict[str, Any]:
    """Celery's `broker_transport_options`."""
    if not is_folder(url):
        return {}
    folder = url.removeprefix(SCHEME)
    return {
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": f"{folder}/control",
        "polling_interval": POLL,
    }
