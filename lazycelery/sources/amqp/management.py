"""RabbitMQ's management API, where it answers: which queues there are, of what type, and who is bound.

Read by http.client in one thread of its own; its figures are up to five seconds old, as RabbitMQ gathers
them so often.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

from lazycelery.errors import UsageError
from lazycelery.sources.amqp.address import Node
from lazycelery.sources.amqp.connection import Server
from lazycelery.sources.amqp.deadletters import Binding
from lazycelery.sources.amqp.facts import COLUMNS, SAMPLES, Page, QueueFacts, Unreadable, Vhost, decoded

T = TypeVar("T")

RETRY = 30.0
"""Seconds before an API that refused us, or is not there, is asked again."""
AGAIN = 10.0
"""The same where it let us in before, and somebody may be at it: each try is a line in RabbitMQ's log."""
SOON = 2.0
"""Seconds before one that answered before is asked again: its node may be starting. Doubled each time."""
LASTING = 15.0
"""Seconds without an answer from one that answered before, until that is trouble and no restart."""
GUESS = 1.0
"""Seconds for a port that nobody named."""
PAGE, MOST = 500, 10_000
"""Queues in one answer, and altogether."""
FEW, OFTEN = 100, 2.0
"""So many queues are asked for every two seconds: what is new, or grows, is seen as soon as it is counted."""
PAST_PAGE = 100
"""Queues in one answer that has their past too: decoding it must not hold up the loop."""
PAST, STEP = 300, 10
"""Seconds of depths that the first answer tells, and between two of them."""
MAX_ANSWER = 16 * 1024 * 1024


class Silent(Exception):
    """The API cannot be had now; the text says why, in plain words, `cure` what mends it."""

    def __init__(self, why: str = "", cure: str = "", refused: bool = False) -> None:
        super().__init__(why)
        self.cure, self.refused = cure, refused


NAME_IT = 'name it with management = "http://USER:PASSWORD@HOST:15672" in the profile'


class Management:
    """Asks the API of the node we are connected to, or the one that the profile names."""

    def __init__(self, server: Server, url: str | None, every: float = 5.0) -> None:
        self._server, self._url, self._every = server, url, every
        self._connection: http.client.HTTPConnection | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._lock = asyncio.Lock()
        self._queues: tuple[float, dict[str, QueueFacts]] | None = None
        self._again = 0.0
        self._failures, self._failed_at = 0, 0.0
        self._answered = self._turned_away = False
        self._silent_since = 0.0
        self._past_told = False
        self.why: str | None = None
        """Why it does not answer, or `None`."""
        self.cure = ""
        """What a person can do about that, in one sentence."""
        if url is not None:
            check_url(url)

    async def queues(self) -> dict[str, QueueFacts] | None:
        """Every queue of the virtual host by name, at most `every` seconds old, two where there are few;
        `None` without the API."""
        async with self._lock:
            few = self._queues is not None and len(self._queues[1]) <= FEW
            every = min(self._every, OFTEN) if few else self._every
            if self._queues is None or time.monotonic() - self._queues[0] > every:
                found = await self._try(self._read_queues)
                self._queues = None if found is None else (time.monotonic(), found)
            return self._queues[1] if self._queues else None

    async def bound(self, exchange: str) -> list[str] | None:
        """Queues bound to an exchange; `None` without the API."""

        def read() -> list[str]:
            path = f"/exchanges/{self._vhost}/{quote(exchange, safe='')}/bindings/source"
            bindings = self._decoded(self._get(path), list[Binding])
            return sorted({each.destination for each in bindings if each.destination_type == "queue"})

        return await self._try(read)

    async def extra(self, path: str, kind: type[T]) -> T | None:
        """What is good to know and may fail: `path` follows the virtual host's name."""
        head, _, tail = path.partition("?")

        def read() -> T | None:
            try:
                return self._decoded(self._get(f"/{head}/{self._vhost}?{tail}"), kind)
            except Silent:
                return None

        return await self._try(read)

    async def other_vhosts(self) -> list[str]:
        """Names of the virtual hosts beside ours that this user may see; empty when nothing is told."""

        def read() -> list[str]:
            try:
                told = self._decoded(self._get("/vhosts?columns=name"), list[Vhost])
            except Silent:
                return []
            return [one.name for one in told if one.name != self._server.address.vhost]

        return await self._try(read) or []

    async def one(self, queue: str) -> QueueFacts | None:
        """What is told of one queue now; `None` when nothing is."""

        def read() -> QueueFacts | None:
            path = f"/queues/{self._vhost}/{quote(queue, safe='')}?columns={COLUMNS}"
            try:
                return self._decoded(self._get(path), QueueFacts)
            except Silent:
                return None

        return await self._try(read)

    @property
    def named(self) -> bool:
        """Whether the profile names it; else it is looked for at the usual port."""
        return self._url is not None

    @property
    def trouble(self) -> str | None:
        """Why it does not answer, when somebody should look after that; not while a node starts."""
        if self.why is None or self._turned_away or not self._answered:
            return self.why
        since = max(self._silent_since, self._server.opened_at)
        return self.why if time.monotonic() - since > LASTING else None

    @property
    def last(self) -> dict[str, QueueFacts]:
        """What was told last, without asking."""
        return self._queues[1] if self._queues else {}

    def forget(self) -> None:
        """What was read is known to be out of date."""
        self._queues = None

    async def close(self) -> None:
        """Let go of the connection."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._connection is not None:
            self._connection.close()

    # -- in the thread

    async def _try(self, read: Callable[[], T]) -> T | None:
        if self._waits:
            return None
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, thread_name_prefix="rabbitmq-management")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read)
        except Silent:
            return None

    def _read(self, read: Callable[[], T]) -> T:
        if self._waits:  # The question before this one was not answered.
            raise Silent
        try:
            answer = read()
        except Silent as silent:
            self._note(silent)
            raise
        self.why, self._failures, self._answered = None, 0, True
        return answer

    def _note(self, silent: Silent) -> None:
        now = time.monotonic()
        if self.why is None:
            self._silent_since = now
        if self._server.opened_at > self._failed_at:
            self._failures = 0
        self.why, self.cure, self._turned_away = str(silent), silent.cure, silent.refused
        soon = self._answered and not silent.refused
        rest = min(RETRY, AGAIN) if self._answered else RETRY
        self._again = now + (min(RETRY, SOON * 2**self._failures) if soon else rest)
        self._failures, self._failed_at = min(self._failures + 1, 10), now

    @property
    def _waits(self) -> bool:
        """It failed lately; a node that lets us in anew since then is asked at once."""
        return time.monotonic() < self._again and self._server.opened_at <= self._failed_at

    def _read_queues(self) -> dict[str, QueueFacts]:
        found: dict[str, QueueFacts] = {}
        columns, size = COLUMNS, PAGE
        if not self._past_told:
            columns, size = f"{COLUMNS},{SAMPLES}&lengths_age={PAST}&lengths_incr={STEP}", PAST_PAGE
        for number in range(1, MOST // size + 1):
            path = f"/queues/{self._vhost}?page={number}&page_size={size}&columns={columns}"
            page = self._decoded(self._get(path), Page)
            found.update((facts.name, facts) for facts in page.items)
            if number >= page.page_count:
                break
        self._past_told = True
        return found

    def _decoded(self, data: bytes, kind: type[T]) -> T:
        try:
            return decoded(data, kind)
        except Unreadable:
            raise Silent("the management API answers what cannot be read") from None

    @property
    def _vhost(self) -> str:
        return quote(self._server.address.vhost, safe="")

    def _get(self, path: str) -> bytes:
        self._server.count()
        for fresh in (False, True):
            try:
                return self._request(path)
            except (http.client.HTTPException, OSError) as error:
                # A kept connection may have been closed meanwhile: one more try on a new one.
                kept, self._connection = self._connection is not None, None
                if fresh or not kept or isinstance(error, TimeoutError):
                    raise Silent(
                        f"{self._where} does not answer ({_short(error)})",
                        "Enable it with `rabbitmq-plugins enable rabbitmq_management`, or " + NAME_IT + ".",
                    ) from None
        raise AssertionError

    def _request(self, path: str) -> bytes:
        if self._connection is None:
            self._connection = self._connect()
        parts = urlsplit(self._where)
        self._connection.request("GET", parts.path.rstrip("/") + "/api" + path, headers=self._headers())
        answer = self._connection.getresponse()
        data = answer.read(MAX_ANSWER + 1)
        if len(data) > MAX_ANSWER:
            self._connection.close()
            self._connection = None
            raise Silent(f"{self._where} answers with more than 16 MB")
        if answer.status in (401, 403):
            raise self._refused(answer.status)
        if answer.status == 404 and path.startswith("/exchanges/"):
            return b"[]"
        if answer.status != 200:
            raise Silent(f"{self._where} answers with the error {answer.status}")
        return data

    def _refused(self, status: int) -> Silent:
        user = self._user()[0]
        if status == 401 and urlsplit(self._url or "").username:
            return Silent(
                f"{self._where} does not take user name or password of {user}",
                "Correct them in the profile's `management`, or leave them out: the broker's are taken then.",
                refused=True,
            )
        return Silent(
            f"{self._where} does not let this user in (it needs the tag `management`)",
            f"`rabbitmqctl set_user_tags {user} management` lets it in; another user can be named with "
            'management = "http://USER:PASSWORD@HOST:15672" in the profile.',
            refused=True,
        )

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._where)
        host, timeout = parts.hostname or "", self._server.timeout
        if self._url is None:
            timeout = min(timeout, GUESS)  # A firewall may swallow it, and the first picture waits.
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
        context = self._server.tls_context() or ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port or 443, timeout=timeout, context=context)

    @property
    def _where(self) -> str:
        """The API's address, without credentials."""
        if self._url is None:
            secure, node = self._server.address.tls is not None, self._server.node
            port = 15671 if secure else 15672
            return f"{'https' if secure else 'http'}://{Node(node.host, port).place}"
        parts = urlsplit(self._url)
        path = parts.path.rstrip("/").removesuffix("/api")
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"

    def _user(self) -> tuple[str, str]:
        """Name and password."""
        parts = urlsplit(self._url or "")
        if parts.username:
            return unquote(parts.username), unquote(parts.password or "")
        return self._server.address.username, self._server.address.password

    def _headers(self) -> dict[str, str]:
        user, password = self._user()
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {token}"}


def check_url(url: str) -> None:
    """Raises `UsageError`, without credentials, for what cannot be the API's URL."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError("`management` is not a URL of http.", "For example http://rabbit.example.org:15672")


def _short(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
