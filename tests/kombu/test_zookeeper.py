"""A real ZooKeeper: depths by a look at the node, and sending. Counting and sending make no queue."""

from __future__ import annotations

import glob
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest

from lazycelery.errors import NothingFound
from lazycelery.model.message import StoredMessage
from tests.kombu.conftest import OpenBroker
from tests.support.broker import free_port
from tests.support.fleet import send

pytestmark = [pytest.mark.broker, pytest.mark.soak]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    jars = glob.glob("/usr/share/java/*.jar")
    assert shutil.which("java") and jars, "apt-get install zookeeper"
    port = free_port()
    config = tmp_path / "zoo.cfg"
    config.write_text(
        f"tickTime=500\ndataDir={tmp_path}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "admin.enableServer=false\n"
    )
    server = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    process = subprocess.Popen(
        ["java", "-Xmx128m", "-cp", ":".join(jars), server, str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"zookeeper://127.0.0.1:{port}/shop"
    finally:
        process.terminate()
        process.wait(10)


async def test_depths_and_sending(url: str, opened: OpenBroker) -> None:
    ids = [send(url, "shop.add", number, 1, queue="mail", sent_event=False) for number in range(3)]
    broker = await opened(url, timeout=5)
    assert await broker.queues.names() == ["mail"]
    mail, missing = await broker.queues.probe(["mail", "nope"])
    assert (mail.messages, missing.messages, missing.bound) == (3, None, False)
    raw = broker.codec.build(task="shop.add", args=[9], kwargs={}, queue="mail", new_id="n", headers={})
    assert await broker.queues.publish([StoredMessage(queue="mail", priority=0, raw=raw)]) == 1
    with pytest.raises(NothingFound, match="no queue nope"):
        await broker.queues.publish([StoredMessage(queue="nope", priority=0, raw=raw)])
    assert await broker.queues.names() == ["mail"]
    with kombu.Connection(url) as connection:
        channel = connection.channel()
        taken = [channel.basic_get("mail", no_ack=True).headers["id"] for _ in range(4)]
    assert taken == [*ids, "n"]
