"""The real program, on the command line and on its screen, while things go wrong on RabbitMQ: each ends in a
clear line, and all comes back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from tests.amqp.conftest import Vhost
from tests.cli.program import Done, lazycelery, until
from tests.pty.terminal import Terminal
from tests.support.fleet import CeleryWorker, send
from tests.support.rabbit import RabbitServer, need_server

pytestmark = [pytest.mark.broker, pytest.mark.pty]
Worker = Callable[..., CeleryWorker]
Screen = Callable[..., Terminal]


@pytest.fixture
def screen() -> Iterator[Screen]:
    """Opens the program on a broker, at 80 by 24."""
    opened: list[Terminal] = []

    def start(url: str, management: str | None = None, *words: str) -> Terminal:
        home = os.environ["HOME"]
        names = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")
        state = {name: f"{home}/{name.lower()}" for name in names}
        if management is not None:
            words = ("--config", profile(url, management), "-p", "mine", *words)
        else:
            words = ("--broker", url, *words)
        terminal = Terminal("-m", "lazycelery", *words, width=80, height=24, HOME=home, **state)
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


def profile(url: str, management: str) -> str:
    """A configuration with this cluster as `mine`."""
    path = f"{os.environ['HOME']}/mine.toml"
    with open(path, "w") as file:
        file.write(f'[profiles.mine]\nbroker = "{url}"\nmanagement = "{management}"\n')
    return path


def status(url: str, management: str, *words: str) -> Done:
    return lazycelery(url, "--config", profile(url, management), "-p", "mine", "status", *words)


def page(terminal: Terminal) -> str:
    """The main pane in one line, without its frame."""
    return " ".join(" ".join(line[25:79] for line in terminal.text.splitlines()[1:22]).split())


def test_a_virtual_host_that_is_missing_is_named_and_its_coming_is_noticed(
    vhost: Vhost, screen: Screen
) -> None:
    name = f"{vhost.name}-none"
    url = vhost.server.url(name)
    done = lazycelery(url, "status")
    assert done.code == 3 and not done.out
    assert f"has no virtual host {name!r} for this user" in done.err and "list_permissions" in done.err
    terminal = screen(url)
    terminal.until("Not connected")
    terminal.until("has no virtual host")
    vhost.server.add_vhost(name)
    try:
        terminal.until("No worker answers.", 30)
    finally:
        vhost.server.drop_vhost(name)


@pytest.fixture
def watcher(vhost: Vhost) -> Iterator[tuple[str, str]]:
    """A user who may look: the API's URL with a wrong password of his, and what is said of it."""
    server, user = vhost.server, f"ops-{vhost.name[-6:]}"
    server.api("PUT", f"/users/{user}", {"password": "right", "tags": "monitoring"})
    access = {"configure": "", "write": "", "read": ".*"}
    server.api("PUT", f"/permissions/{quote(vhost.name, safe='')}/{user}", access)
    yield (
        f"http://{user}:wr0ng@127.0.0.1:{server.management_port}",
        f"The management API is missing: {server.management} does not take user name or password of {user}.",
    )
    server.api("DELETE", f"/users/{user}")


def test_a_wrong_management_password_is_a_warning(
    vhost: Vhost, worker: Worker, screen: Screen, watcher: tuple[str, str]
) -> None:
    worker("w1")
    named, said = watcher
    told = status(vhost.url, named)
    assert told.code == 0 and said in told.out and "warning" in told.out
    assert "`management`" in told.out and "wr0ng" not in told.out + told.err
    config = profile(vhost.url, named)
    doctor = lazycelery(vhost.url, "--config", config, "-p", "mine", "doctor", "--json")
    assert doctor.code == 1
    [finding] = [one for one in doctor.json["findings"] if one["code"] == "management-missing"]
    assert (finding["severity"], finding["title"]) == ("warning", said)
    terminal = screen(vhost.url, named)
    terminal.until("▲ The management API")
    terminal.send("4\r")
    terminal.until(lambda: said in page(terminal))
    assert "w1@test" in terminal.text  # The rest works.


@pytest.mark.soak
def test_a_management_password_that_becomes_right_ends_the_warning(
    vhost: Vhost, worker: Worker, screen: Screen, watcher: tuple[str, str]
) -> None:
    worker("w1")
    named, said = watcher
    terminal = screen(vhost.url, named)
    terminal.until("▲ The management API")
    user = said.removesuffix(".").rpartition(" ")[2]
    vhost.server.api("PUT", f"/users/{user}", {"password": "wr0ng", "tags": "monitoring"})
    terminal.until(lambda: "▲ The management" not in terminal.text, 45)  # It is asked every 30 s.
    assert said not in status(vhost.url, named).out


def test_a_management_api_that_nobody_named_is_a_note(vhost: Vhost, worker: Worker) -> None:
    """At the usual port there is none of this node: another port is taken."""
    worker("w1")
    told = lazycelery(vhost.url, "status", "--json")
    [notice] = [one for one in told.json["notices"] if "management API is missing" in one["title"]]
    assert (notice["severity"], notice["code"]) == ("info", "note")


def test_a_closed_channel_is_a_clear_line_and_the_next_command_works(vhost: Vhost) -> None:
    vhost.declare("box")
    gone = lazycelery(vhost.url, "peek", "nope", "--force")
    assert gone.code == 1 and "RabbitMQ has no queue 'nope'" in gone.err and "Traceback" not in gone.err
    purged = lazycelery(vhost.url, "purge", "nope", "--yes", "--allow", "purge")
    assert purged.code == 1 and "no queue nope" in purged.err
    after = lazycelery(vhost.url, "peek", "box", "--force")
    assert after.code == 1 and "Error" not in after.err


def test_connections_that_an_operator_closes_are_told_so_and_come_back(
    vhost: Vhost, worker: Worker, screen: Screen
) -> None:
    worker("w1")
    terminal = screen(vhost.url, vhost.server.management)
    terminal.until("● w1@test")

    def ours() -> set[str]:
        listed = vhost.server.api("GET", f"/vhosts/{quote(vhost.name, safe='')}/connections")
        return {
            one["name"]
            for one in listed
            if str(one.get("client_properties", {}).get("connection_name", "")).startswith("lazycelery ")
        }

    deadline = time.monotonic() + 20
    while len(closed := ours()) < 3 and time.monotonic() < deadline:  # The API hears of them late.
        time.sleep(0.5)
    for name in closed:
        vhost.server.api("DELETE", f"/connections/{quote(name, safe='')}")
    terminal.until("Somebody closed our connection")
    terminal.until(lambda: "closed our" not in terminal.text)
    id = send(vhost.url, "shop.add", 1, 2)
    terminal.send("3")
    terminal.until(id[:8])


@pytest.fixture
def own_server() -> Iterator[RabbitServer]:
    need_server()
    server = RabbitServer("max_message_size = 20000").start()
    yield server
    server.remove()


@pytest.mark.soak
def test_a_node_that_is_killed_and_one_that_takes_no_messages(
    own_server: RabbitServer, screen: Screen
) -> None:
    server, url = own_server, own_server.url()
    w1 = CeleryWorker(url, "w1", backend="rpc://").start()
    try:
        terminal = screen(url, server.management)
        terminal.until("● w1@test")

        # A channel closed by 406.
        config = ("--config", profile(url, server.management), "-p", "mine")
        large = json.dumps(["x" * 30_000, 1])
        words = ("send", "shop.add", "--queue", "celery", "--args", large, "--yes", "--allow", "send")
        refused = lazycelery(url, *config, *words)
        assert refused.code == 4 and "refused a command: message size" in refused.err, refused.err
        assert lazycelery(url, *config, *words[:5], "[1, 2]", *words[6:]).code == 0

        # An alarm: workers cannot tell anything, and are not called lost.
        server.control("set_vm_memory_high_watermark", "0.000001")
        terminal.until("takes no messages now: low on memory", 30)
        terminal.until("? w1@test", 30)
        end = time.monotonic() + 15
        while time.monotonic() < end:
            terminal.read(0.5)
            assert "lost:" not in page(terminal) and "gone" not in terminal.text, terminal.text
        told = status(url, server.management)
        assert "The broker takes no messages now: low on memory." in told.out, told.err
        assert "lost" not in told.out and told.code == 1
        server.control("set_vm_memory_high_watermark", "0.4")
        terminal.until(lambda: "takes no messages" not in terminal.text and "● w1@test" in terminal.text, 40)

        # Killed, and started again.
        server.kill()
        terminal.until("Not connected", 20)
        dead = status(url, server.management)
        assert dead.code == 3 and "connection refused" in dead.err and "broker running" in dead.err
        server.start()
        terminal.until(lambda: "Not connected" not in terminal.text, 40)
        until(lambda: "1 of 1 online" in status(url, server.management).out, 60)  # In its own time.
        terminal.until("● w1@test")
        assert "The management API" not in terminal.text
    finally:
        w1.kill()
