"""Endpoints for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.alerts.endpoint import Endpoint


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    one = Endpoint().start()
    yield one
    one.stop()
