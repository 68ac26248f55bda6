"""Broker and backend URLs: every spelling that Kombu takes, and a cure for every wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from lazycelery.errors import UsageError
from lazycelery.model.profile import Profile
from lazycelery.sources import open_broker
from lazycelery.sources.redis.address import Address, parse_address
from lazycelery.sources.results import open_results
from lazycelery.sources.whole import WholeBroker

SECRET = "s3cret"


def address(url: str, **profile: Any) -> Address:
    return parse_address(url, Profile(**profile))


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("redis://", "redis://127.0.0.1:6379/0"),
        ("redis://host", "redis://host:6379/0"),
        ("redis://host/", "redis://host:6379/0"),
        ("redis://:pw@host:7000/3", "redis://host:7000/3"),
        ("redis://[::1]:7000/3", "redis://[::1]:7000/3"),
        ("redis://host?virtual_host=4", "redis://host:6379/4"),
        ("redis://host/1?db=4", "redis://host:6379/4"),
        ("rediss://user:p%40w@host/2", "rediss://host:6379/2"),
        ("redis+socket:///run/r.sock?virtual_host=3", "redis+socket:///run/r.sock?virtual_host=3"),
        ("redis+socket://:pw@/run/r.sock", "redis+socket:///run/r.sock?virtual_host=0"),
        ("unix:///run/r.sock?db=2", "redis+socket:///run/r.sock?virtual_host=2"),
        ("sentinel://:pw@h1:26379/1;sentinel://h2", "sentinel://h1:26379, h2:26379/1"),
    ],
)
def test_a_url_is_taken_apart(url: str, label: str) -> None:
    assert address(url).label == label


def test_credentials_are_decoded_and_never_shown() -> None:
    found = address(f"rediss://us%2Fer:{SECRET}%40x@host/0")
    assert found.username == "us/er" and found.password == f"{SECRET}@x"
    assert SECRET not in repr(found) and SECRET not in str(found) and SECRET not in found.label


def test_tls_checks_certificates_unless_told_otherwise() -> None:
    assert address("redis://h").tls is None
    for url in ("rediss://h", "rediss://h?ssl_cert_reqs=CERT_REQUIRED"):
        tls = address(url).tls
        assert tls is not None and tls.verify and tls.check_hostname
    for found in (address("rediss://h?ssl_cert_reqs=none"), address("rediss://h", tls_verify=False)):
        assert found.tls is not None and not found.tls.verify and not found.tls.check_hostname
    found = address("rediss://h?ssl_ca_certs=/a&ssl_check_hostname=false", tls_cert="/c")
    assert found.tls is not None and (found.tls.ca, found.tls.cert) == ("/a", "/c")
    assert found.tls.verify and not found.tls.check_hostname


def test_sentinels_name_their_primary_in_the_profile_or_the_url() -> None:
    assert address("sentinel://h/0?master_name=one").master == "one"
    assert address("sentinel://h/0?master_name=one", master_name="two").master == "two"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "redis://localhost"),
        ("   ", "redis://localhost"),
        ("garbage", "redis://localhost"),
        (f"user:{SECRET}@host:6379", "redis://localhost"),
        (f"://:{SECRET}@h", "redis://localhost"),
        (f"reddis://:{SECRET}@h", "Did you mean redis://"),
        (f"redss://:{SECRET}@h", "rediss://"),
        (f"qpid://u:{SECRET}@h//", "not served"),
        (f"ampq://u:{SECRET}@h//", "Did you mean amqp://"),
        (f"amqp://u:{SECRET}@h:port//", "port"),
        (f"amqps://u:{SECRET}@h//?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
        (f"librabbitmq://u:{SECRET}@h", "Write amqp://"),
        (f"http://u:{SECRET}@h", "redis://"),
        (f"redis://:{SECRET}@h/two", "number"),
        (f"redis://:{SECRET}@h/-1", "number"),
        (f"redis://:{SECRET}@h:port/0", "port"),
        (f"redis://:{SECRET}@h:99999/0", "port"),
        (f"redis://:{SECRET}@[::1/0", "host"),
        (f"rediss://:{SECRET}@h?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
        ("redis+socket://", "unix socket"),
    ],
)
def test_a_wrong_url_is_refused_with_a_hint_and_without_its_secrets(url: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_broker(Profile(broker=url))
    assert words in str(refused.value) and refused.value.hint
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "No result backend"),
        ("", "No result backend"),
        ("disabled", "disabled"),
        ("rpc://", "rpc"),
        ("rpc", "rpc"),
        ("mongodb://u:s3cret@h/d", "MongoDB"),
        ("cassandra://u:s3cret@h", "Cassandra"),
    ],
)
def test_a_backend_that_cannot_be_read_says_why(url: str | None, words: str) -> None:
    results, why = open_results(url, Profile())
    assert results is None and words in why and SECRET not in why


async def test_a_redis_backend_is_opened_without_showing_its_password() -> None:
    results, why = open_results(f"redis://:{SECRET}@h/2", Profile())
    assert results is not None and results.url == "redis://h:6379/2" and why == ""
    await results.close()


def test_opening_loads_no_celery_and_no_kombu() -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from lazycelery.sources import open_broker\n"
        "from lazycelery.sources.results import open_results\n"
        "from lazycelery.sources.control import Control\n"
        "from lazycelery.model.profile import Profile\n"
        "open_broker(Profile(broker='redis://h')); open_results('redis://h', Profile())\n"
        "print(sorted(n for n in ('celery', 'kombu', 'textual', 'click', 'rich') if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("url", "realm", "told"),
    [
        ("redis://h/0", "database number", "after the visibility timeout"),
        ("amqp://h//", "virtual host", "to another worker at once"),
        ("filesystem:///tmp/queues", "broker", "no other worker gets it"),
        ("sqla+sqlite:///queues.db", "broker", "no other worker gets it"),
        ("kafka://h", "broker", "in its own time"),
    ],
)
def test_what_becomes_of_a_lost_workers_message_is_the_brokers_to_say(
    url: str, realm: str, told: str
) -> None:
    whole = WholeBroker(open_broker(Profile(broker=url)))
    assert whole.realm == realm and told in whole.gives_back
