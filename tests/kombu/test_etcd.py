"""A real etcd: sending, and what is said instead of depths. Kombu speaks version 2, which 3.5 has."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest

from lazycelery.model.message import StoredMessage
from lazycelery.sources.whole import WholeBroker
from tests.kombu.conftest import OpenBroker
from tests.support.broker import free_port
from tests.support.fleet import send

pytestmark = [pytest.mark.broker, pytest.mark.soak]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    assert shutil.which("etcd"), "apt-get install etcd-server"
    port, peers = free_port(), f"http://127.0.0.1:{free_port()}"
    clients = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *("etcd", "--enable-v2", "--data-dir", str(tmp_path), "--listen-client-urls", clients),
            *("--advertise-client-urls", clients, "--listen-peer-urls", peers),
            *("--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{clients}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"etcd://127.0.0.1:{port}/shop"
    finally:
        process.terminate()
        process.wait(10)


async def test_sending_and_nothing_else(url: str, opened: OpenBroker) -> None:
    first = send(url, "shop.add", 1, 1, queue="mail", sent_event=False)
    broker = await opened(url, timeout=5, queues=["mail"])
    assert await broker.queues.names() == ["mail"]
    [mail] = await WholeBroker(broker).queues.probe(["mail"])
    assert mail.messages is None and mail.error is None
    assert any("under the lock that workers need" in note for note in WholeBroker(broker).notes)
    raw = broker.codec.build(task="shop.add", args=[9], kwargs={}, queue="mail", new_id="n", headers={})
    assert await broker.queues.publish([StoredMessage(queue="mail", priority=0, raw=raw)]) == 1
    with kombu.Connection(url) as connection:
        channel = connection.channel()
        taken = [channel.basic_get("mail", no_ack=True).headers["id"] for _ in range(2)]
    assert sorted(taken) == sorted([first, "n"])  # It keeps no order.
