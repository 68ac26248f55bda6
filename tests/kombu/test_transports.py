"""All of Kombu's transports: what is said of each, and what happens where its driver is missing."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lazycelery.errors import ConnectionProblem, Refused
from lazycelery.model.profile import Profile
from lazycelery.sources import open_broker
from lazycelery.sources.capabilities import table
from lazycelery.sources.kombu.transports import TRANSPORTS, Transport
from lazycelery.sources.whole import WholeBroker

ROOT = Path(__file__).resolve().parents[2]
WITH_DRIVER = [each for each in TRANSPORTS if each.needs]


def url_of(transport: Transport) -> str:
    return f"{transport.scheme}{'+sqlite' if transport.scheme == 'sqlalchemy' else ''}:///x"


def there(transport: Transport) -> bool:
    for name in transport.modules:
        try:
            if importlib.util.find_spec(name) is None:
                return False
        except ModuleNotFoundError:
            return False
    return True


def test_the_table_of_the_docs_is_the_one_that_the_protocols_make() -> None:
    page = (ROOT / "docs" / "brokers.md").read_text(encoding="utf-8")
    assert table() in page, "python -m lazycelery.sources.capabilities prints it"


@pytest.mark.parametrize(
    "transport", [each for each in WITH_DRIVER if not there(each)], ids=lambda t: t.scheme
)
async def test_a_missing_driver_is_said_with_the_command_that_installs_it(transport: Transport) -> None:
    broker = open_broker(Profile(broker=url_of(transport)))
    with pytest.raises(ConnectionProblem, match="needs a package that is not installed") as raised:
        await broker.connect()
    await broker.close()
    for package in transport.needs.split():
        assert package in raised.value.hint and raised.value.hint.startswith("pip install ")


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda t: t.scheme)
async def test_what_is_lacking_refuses_in_words(transport: Transport) -> None:
    whole = WholeBroker(open_broker(Profile(broker=url_of(transport), queues=["celery"])))
    assert ("events" in whole.lacks) == (whole.events is None) == bool(transport.silent)
    if transport.silent:
        with pytest.raises(Refused, match=re.escape(transport.silent)):
            await whole.mailbox.call("ping")
        assert any(transport.silent in note for note in whole.notes)
    if transport.queues == "sent":
        [report] = await whole.queues.probe(["celery"])
        assert report.messages is None and transport.uncounted in whole.notes
    if transport.queues in ("sent", "counted"):
        assert not whole.queues.free_looks
        with pytest.raises(Refused, match="taking it away"):
            await whole.queues.peek("celery")
        with pytest.raises(Refused, match="nothing is purged"):
            await whole.queues.purge("celery", lambda page: None)
        assert await whole.queues.find(["x"]) == {} and await whole.queues.in_flight() == []
    await whole.close()


@pytest.mark.parametrize("transport", [each for each in TRANSPORTS if there(each)], ids=lambda t: t.scheme)
def test_kombu_agrees_about_the_fanout(transport: Transport) -> None:
    from kombu.transport import get_transport_cls

    channel = get_transport_cls(transport.scheme).Channel
    if transport.silent == "has no fanout":
        assert channel.supports_fanout is not True
    else:
        assert channel.supports_fanout is True


def test_every_transport_of_kombu_is_served_or_known_by_name() -> None:
    from kombu.transport import TRANSPORT_ALIASES

    from lazycelery.sources import AMQP, REDIS
    from lazycelery.sources.kombu.transports import BY_SCHEME

    gone = {"librabbitmq", "SLMQ", "slmq", "qpid", "pyro"}
    assert set(TRANSPORT_ALIASES) - set(REDIS) - set(AMQP) - set(BY_SCHEME) == gone


def test_neither_celery_nor_kombu_is_imported_before_a_connection_is_opened() -> None:
    code = (
        "import sys\n"
        "from lazycelery.engine.engine import Engine\n"
        "from lazycelery.model.profile import Profile\n"
        "Engine(Profile(broker='sqs://')); Engine(Profile(broker='filesystem:///tmp/x'))\n"
        "assert not {'celery', 'kombu', 'sqlalchemy', 'boto3'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_labels_tell_no_secret() -> None:
    for url in (
        "sqs://KEYID:s3cr3t%2Fx@",
        "azureservicebus://policy:s3cr3t/key@ns",
        "mongodb://u:s3cr3t@h/db",
    ):
        assert "s3cr3t" not in open_broker(Profile(broker=url)).label
