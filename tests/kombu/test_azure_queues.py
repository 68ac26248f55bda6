"""Azure Storage Queues, as far as Microsoft's own emulator (Azurite, from npm) plays them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest

from lazycelery.model.message import StoredMessage
from tests.kombu.conftest import OpenBroker
from tests.support.broker import free_port
from tests.support.fleet import send

pytestmark = [pytest.mark.broker, pytest.mark.soak]
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the emulator's only account: the same everywhere, and in its documentation."""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("azurite-queue")
    assert program, "npm install azurite"
    port = free_port()
    process = subprocess.Popen(
        [
            *(program, "--queueHost", "127.0.0.1", "--queuePort", str(port), "--location", str(tmp_path)),
            *("--skipApiVersionCheck", "--disableTelemetry"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"azurestoragequeues://{KEY}@http://127.0.0.1:{port}/devstoreaccount1"
    finally:
        process.terminate()
        process.wait(10)


async def test_depths_and_sending(url: str, opened: OpenBroker) -> None:
    ids = [send(url, "shop.add", number, 1, queue="mail", sent_event=False) for number in range(3)]
    broker = await opened(url, timeout=5)
    assert KEY not in broker.label
    assert await broker.queues.names() == ["mail"]
    mail, missing = await broker.queues.probe(["mail", "nope"])
    assert (mail.messages, missing.messages) == (3, None)
    raw = broker.codec.build(task="shop.add", args=[9], kwargs={}, queue="mail", new_id="n", headers={})
    assert await broker.queues.publish([StoredMessage(queue="mail", priority=0, raw=raw)]) == 1
    assert await broker.queues.names() == ["mail"]
    with kombu.Connection(url) as connection:
        channel = connection.channel()
        taken = [channel.basic_get("mail", no_ack=True).headers["id"] for _ in range(4)]
    assert taken == [*ids, "n"]
