"""`lazycelery watch` and `serve` as processes: a broker that dies, an endpoint that is down, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.endpoint import Endpoint, until
from tests.cli.program import script
from tests.support.broker import RedisServer, free_port
from tests.support.fleet import ROOT

pytestmark = pytest.mark.broker
Begin = Callable[..., "Program"]


class Program:
    """A running command, its lines as they come."""

    def __init__(self, config: Path, *args: str) -> None:
        self.out = config.with_name(f"out-{time.monotonic_ns()}")
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [script(), args[0], "--config", str(config), "--timeout", "1", *args[1:]],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    @property
    def text(self) -> str:
        return self.out.read_text()

    def says(self, text: str, seconds: float = 40) -> str:
        until(lambda: text in self.text or self.process.poll() is not None, seconds)
        assert text in self.text, self.text
        return self.text

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def ends(self, how: int = signal.SIGTERM) -> tuple[int, float]:
        began = time.monotonic()
        self.process.send_signal(how)
        return self.process.wait(20), time.monotonic() - began


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    begun: list[Program] = []

    def start(*args: str) -> Program:
        one = Program(tmp_path / "config.toml", *args)
        begun.append(one)
        return one

    yield start
    for one in begun:
        if one.process.poll() is None:
            one.kill()


def configure(tmp_path: Path, brokers: dict[str, str], url: str, **more: Any) -> None:
    lines = []
    for name, broker in brokers.items():
        lines += [
            f"[profiles.{name}]",
            f'broker = "{broker}"',
            f"[[profiles.{name}.alerts]]",
            'name = "hook"',
        ]
        lines += [f'webhook = "{url}"', 'codes = ["broker-*"]', "group = 0.2", "timeout = 2"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in more.items()]
    (tmp_path / "config.toml").write_text("\n".join(lines) + "\n")


def told(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Kinds and codes, each alert once: at least once means that one may come again."""
    return [(one["kind"], one["code"]) for one in {one["id"]: one for one in endpoint.items}.values()]


@pytest.mark.soak
def test_a_dead_broker_is_told_and_its_recovery_and_term_ends_within_a_second(
    tmp_path: Path, endpoint: Endpoint, begin: Begin
) -> None:
    server = RedisServer().start()
    try:
        configure(tmp_path, {"shop": server.url}, endpoint.url)
        one = begin("watch", "-p", "shop", "--json")
        one.says("no-workers")
        server.kill()
        one.says('"code": "broker-unreachable"')
        until(lambda: told(endpoint) == [("new", "broker-unreachable")])
        server.start()
        until(
            lambda: told(endpoint) == [("new", "broker-unreachable"), ("recovered", "broker-unreachable")], 60
        )
        lines = [json.loads(line) for line in one.text.splitlines() if line.startswith("{")]
        assert [line["kind"] for line in lines if line["finding"]["code"] == "broker-unreachable"] == [
            "new",
            "recovered",
        ]
        assert all(line["profile"] == "shop" for line in lines)
        code, seconds = one.ends()
        assert code == 0 and seconds < 3, "a second, and what a busy machine adds"
    finally:
        server.remove()


def test_kill_9_and_an_endpoint_that_is_down_lose_nothing_and_double_nothing(
    tmp_path: Path, begin: Begin
) -> None:
    endpoint, dead = Endpoint(), f"redis://127.0.0.1:{free_port()}/0"
    configure(tmp_path, {"shop": dead}, endpoint.url)
    first = begin("serve", "-p", "shop")
    first.says("are not delivered")
    assert "s3cret" not in first.text
    first.kill()
    second = begin("serve", "-p", "shop")
    second.says("are not delivered")
    second.kill()
    endpoint.start()
    try:
        third = begin("serve", "-p", "shop")
        until(lambda: endpoint.items)
        assert third.ends()[0] == 0
        assert told(endpoint) == [("new", "broker-unreachable")], "after three starts"
    finally:
        endpoint.stop()


def test_serve_watches_several_and_says_that_a_hangup_changes_nothing(
    tmp_path: Path, endpoint: Endpoint, begin: Begin
) -> None:
    dead = [f"redis://:hunter2@127.0.0.1:{free_port()}/0" for _ in range(2)]
    configure(tmp_path, {"shop": dead[0], "mail": dead[1]}, endpoint.url)
    one = begin("serve", "--all")
    until(lambda: {body["profile"] for body in endpoint.taken} == {"shop", "mail"})
    one.process.send_signal(signal.SIGHUP)
    text = one.says("configuration is not read again")
    assert "Watching shop, mail." in text and "hunter2" not in text + json.dumps(endpoint.taken)
    assert "shop  NEW" in text and "mail  NEW" in text
    other = begin("serve", "-p", "shop")
    other.says("Alerts of shop are sent by process")
    assert other.ends(signal.SIGINT)[0] == 0
    code, seconds = one.ends()
    assert code == 0 and seconds < 3
    assert len(told(endpoint)) == 2, "two processes, one alert a profile"


def test_once_tells_what_changed_since_the_last_time_and_how_it_ended(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    dead = f"redis://127.0.0.1:{free_port()}/0"
    configure(tmp_path, {"shop": dead}, endpoint.url)

    def once() -> tuple[int, str]:
        command = [script(), "watch", "--config", str(tmp_path / "config.toml"), "--once", "--observe", "0"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout

    code, out = once()
    assert code == 3 and "NEW" in out and "broker-unreachable" in out
    code, out = once()
    assert code == 3 and out == "", "nothing has changed"
    assert told(endpoint) == [("new", "broker-unreachable")]
    [file] = (Path(os.environ["XDG_STATE_HOME"]) / "lazycelery" / "alerts").glob("*/alerts.sqlite3")
    assert file.stat().st_mode & 0o777 == 0o600
