"""A real RabbitMQ for tests: a node of its own, on private ports and directories, stopped by process id."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.broker import free_port

SERVER_DIRECTORIES = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin")
"""Where the server's own scripts are; the one in /usr/sbin changes the user and the environment."""
GUEST = ("guest", "guest")


def find_server() -> str | None:
    """The server's start script, or `None` when RabbitMQ is not installed."""
    for directory in SERVER_DIRECTORIES:
        script = os.path.join(directory, "rabbitmq-server")
        if os.access(script, os.X_OK):
            return script
    return None


def need_server() -> None:
    """A test that needs a node is skipped on a machine without one, but never where all must run."""
    if find_server() is not None:
        return
    if os.environ.get("CI"):
        pytest.fail("RabbitMQ is not installed, and tests/run could not install it")
    pytest.skip("RabbitMQ is not installed")


class RabbitServer:
    """One node with its management plugin. `url()` is for Celery, `api()` asks the management."""

    def __init__(self, config: str = "") -> None:
        self.port, self.management_port = free_port(), free_port()
        self.dist_port, self.epmd_port = free_port(), free_port()
        self.dir = Path(tempfile.mkdtemp(prefix="lazycelery-rabbit-"))
        self.node = f"lazycelery{self.port}@localhost"
        self.config = config
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def management(self) -> str:
        """The management API's URL, without credentials."""
        return f"http://127.0.0.1:{self.management_port}"

    def url(
        self, vhost: str = "/", user: str = "guest", password: str = "guest", scheme: str = "amqp"
    ) -> str:
        return f"{scheme}://{user}:{password}@127.0.0.1:{self.port}/{quote(vhost, safe='')}"

    def start(self, wait: float = 90) -> RabbitServer:
        script = find_server()
        if script is None:
            raise RuntimeError("RabbitMQ is not installed")
        self._write_config()
        environment = self._environment()
        if self._epmd is None:
            # Ours in the foreground: the one that Erlang would start outlives every node.
            self._epmd = subprocess.Popen(
                ["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        with (self.dir / "out").open("wb") as out:
            self._server = subprocess.Popen(
                [script], env=environment, cwd=self.dir, stdout=out, stderr=out, start_new_session=True
            )
        self._await(wait)
        return self

    def _write_config(self) -> None:
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            "management.tcp.ip = 127.0.0.1",
            f"management.tcp.port = {self.management_port}",
            "disk_free_limit.absolute = 1MB",
            "log.file.level = warning",
            self.config,
        ]
        (self.dir / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.dir / "plugins").write_text("[rabbitmq_management].\n")
        (self.dir / "env.conf").write_text("")

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")},
            "HOME": str(self.dir),  # The cookie of Erlang is there.
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_CONF_ENV_FILE": str(self.dir / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.dir / "rabbitmq"),
            "RABBITMQ_MNESIA_BASE": str(self.dir / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.dir / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.dir / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def _await(self, wait: float) -> None:
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            try:
                self.api("GET", "/overview")
                return
            except OSError:
                if self._server is not None and self._server.poll() is not None:
                    break
                time.sleep(0.2)
        log = (self.dir / "out").read_text(errors="replace")
        self.remove()
        raise RuntimeError(f"RabbitMQ did not start:\n{log[-3000:]}")

    def kill(self) -> None:
        """As a machine that dies; what was durable is there after the next `start`."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait(20)
            self._server = None

    def stop(self) -> None:
        for process in (self._server, self._epmd):
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self._server = self._epmd = None

    def remove(self) -> None:
        """At once: a stop in good order takes seconds, and nothing is kept."""
        self.kill()
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def control(self, *command: str) -> None:
        """`rabbitmqctl`."""
        script = os.path.join(os.path.dirname(find_server() or ""), "rabbitmqctl")
        environment = self._environment()
        subprocess.run(
            [script, "-n", self.node, *command],
            env=environment,
            cwd=self.dir,
            check=True,
            capture_output=True,
        )

    # -- what tests ask of it, by its own management

    def api(self, method: str, path: str, body: Any = None, auth: tuple[str, str] = GUEST) -> Any:
        request = urllib.request.Request(
            f"{self.management}/api{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Authorization": "Basic " + base64.b64encode(":".join(auth).encode()).decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def add_vhost(self, name: str) -> None:
        self.api("PUT", f"/vhosts/{quote(name, safe='')}")
        self.api(
            "PUT",
            f"/permissions/{quote(name, safe='')}/guest",
            {"configure": ".*", "write": ".*", "read": ".*"},
        )

    def drop_vhost(self, name: str) -> None:
        with contextlib.suppress(urllib.error.HTTPError):
            self.api("DELETE", f"/vhosts/{quote(name, safe='')}")

    def declare(self, vhost: str, queue: str, **arguments: Any) -> None:
        """A durable queue; arguments with `_` for `-`: `x_queue_type="quorum"`."""
        table = {key.replace("_", "-"): value for key, value in arguments.items()}
        body = {"durable": True, "auto_delete": False, "arguments": table}
        self.api("PUT", f"/queues/{quote(vhost, safe='')}/{quote(queue, safe='')}", body)

    def queues(self, vhost: str) -> dict[str, dict[str, Any]]:
        """Every queue of a virtual host, internal ones too, by name."""
        path = f"/queues/{quote(vhost, safe='')}?disable_stats=true&enable_queue_totals=true"
        return {queue["name"]: queue for queue in self.api("GET", path)}

    def exchanges(self, vhost: str) -> set[str]:
        return {each["name"] for each in self.api("GET", f"/exchanges/{quote(vhost, safe='')}")}

    def waiting(self, vhost: str, queue: str, count: int = 1000) -> list[dict[str, Any]]:
        """What waits in a classic queue, next to run first; looking marks it as redelivered."""
        path = f"/queues/{quote(vhost, safe='')}/{quote(queue, safe='')}/get"
        body = {"count": count, "ackmode": "ack_requeue_true", "encoding": "auto"}
        found = self.api("POST", path, body)
        assert isinstance(found, list)
        return found
