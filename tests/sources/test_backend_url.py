"""Where results are read."""

from __future__ import annotations

import pytest

from lazycelery.model.profile import Profile
from lazycelery.sources.results.choice import backend_url

BROKER = "redis://ada:s3cret@db1:6379/0"


@pytest.mark.parametrize(
    ("told", "given", "url"),
    [
        (None, None, BROKER),
        (None, "redis://other/5", "redis://other/5"),
        ("redis://db2/1", "redis://other/5", "redis://other/5"),
        ("redis://db2/1", None, "redis://db2/1"),
        ("redis://:**@db1:6379/3", None, "redis://ada:s3cret@db1:6379/3"),
        ("redis://:********@db1/3", None, "redis://ada:s3cret@db1/3"),
        ("disabled://", None, "disabled://"),
    ],
)
def test_a_backend_is_said_told_or_beside_the_messages(told: str, given: str, url: str) -> None:
    assert backend_url(told, Profile(broker=BROKER, backend=given)) == (url, "")


@pytest.mark.parametrize(
    "told", ["redis://:**@db2:6379/3", "redis://:**@db1:7000/3", "db+postgresql://a:**@db1/x"]
)
def test_a_masked_password_of_another_host_is_not_guessed(told: str) -> None:
    url, why = backend_url(told, Profile(broker=BROKER))
    assert url is None and "--backend" in why and "s3cret" not in why


def test_without_a_word_of_it_another_broker_has_no_backend() -> None:
    assert backend_url(None, Profile(broker="amqp://guest:guest@mq//"))[0] is None
