"""Backends that are read by task id through Celery's own classes: the raw value is fetched, and decoded here.

Celery's own decoding is never used: it would unpickle. Classes that create something when they are opened
are not used either.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lazycelery.errors import ConnectionProblem, LazyCeleryError, UsageError
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.reports import ResultReport
from lazycelery.sources.protocols.results import DeliverResults
from lazycelery.sources.protocols.status import StatusChange, TellStatus
from lazycelery.sources.results.choice import given
from lazycelery.sources.results.documents import read_document
from lazycelery.sources.results.thread import Thread

PAGE = 50
"""Ids asked in one go; each is a round trip."""


class Kind(NamedTuple):
    """One kind of backend."""

    title: str
    needs: str
    """What pip installs for it."""
    modules: tuple[str, ...]
    without: tuple[str, ...] = ()
    """Methods of Celery's class that would create or change something: they do nothing here."""
    client: str = ""
    """The module whose client must be the one that is used: another might unpickle."""


KINDS: dict[str, Kind] = {
    "cache": Kind("memcached", "pymemcache", ("pymemcache",), client="pymemcache"),
    "s3": Kind("S3", "celery[s3]", ("boto3",)),
    "dynamodb": Kind("DynamoDB", "celery[dynamodb]", ("boto3",), ("_get_or_create_table", "_has_ttl")),
    "gs": Kind("Google Cloud Storage", "celery[gcs]", ("google.cloud.storage",)),
    "consul": Kind("Consul", "celery[consul]", ("consul",)),
    "elasticsearch": Kind("Elasticsearch", "celery[elasticsearch]", ("elasticsearch",)),
}
REFUSED: dict[str, str] = {
    "mongodb": "Results in MongoDB are not read yet.",
    "cassandra": "Results in Cassandra are not read: Celery's class for it unpickles by itself.",
    "couchdb": "Results in CouchDB are not read: Celery's class for it creates the database.",
    "couchbase": "Results in Couchbase are not read yet.",
    "arangodb": "Results in ArangoDB are not read yet.",
    "azureblockblob": "Results in Azure blobs are not read: Celery's class for it creates the container.",
    "cosmosdbsql": "Results in Cosmos DB are not read: Celery's class for it creates the collection.",
}
"""Why the others are not read."""


def _bucket(url: str) -> dict[str, str]:
    """Settings of Celery's S3 backend, which reads none of them from its URL: s3://bucket/base/path."""
    parts = urlsplit(url)
    name = parts.netloc.rpartition("@")[2]
    if not name:
        raise UsageError("The S3 bucket is not known.", given("s3://BUCKET/BASE_PATH"))
    path = parts.path.lstrip("/")
    return {"s3_bucket": name, **({"s3_base_path": path} if path else {})}


def _nothing(*args: Any, **kwargs: Any) -> None:
    """In place of what would write."""


class BackendResults:
    """The `Results` of a backend that is read by id: it can neither be listed nor listened to."""

    note: str

    one_by_one = True

    def __init__(self, url: str, profile: Profile) -> None:
        self._dsn = url.strip()
        self._scheme = self._dsn.partition("://")[0].partition("+")[0].lower()
        self.kind = KINDS[self._scheme]
        self.url = Redactor().url(self._dsn)
        self.note = f"{self.kind.title} cannot be listed: results are read by task id, when a task is opened."
        self._prefix = profile.result_prefix
        self._thread = Thread(self.url, profile.timeout, self._explain)
        self._backend: Any = None

    async def get(self, ids: Sequence[str]) -> dict[str, ResultReport]:
        """Results by task id; ids without one are left out."""
        found: dict[str, ResultReport] = {}
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            for task_id, data in await self._thread.do(lambda page=page: self._read(page)):  # type: ignore[misc]
                report = read_document(task_id, data)
                if report is not None:
                    found[task_id] = report
                await asyncio.sleep(0)  # A page of large documents must not hold up the loop.
        return found

    async def newest(self, limit: int = 200) -> list[ResultReport]:
        """Nothing: it cannot be listed. It is opened, so that what is wrong with it is said."""
        await self._thread.do(self._open)
        return []

    async def run(self, deliver: DeliverResults, status: TellStatus) -> None:
        """Returns at once: nothing tells of new results."""
        try:
            await self._thread.do(self._open)
        except LazyCeleryError as problem:
            status(StatusChange("refused", problem.title, problem.hint))
        else:
            status(StatusChange("connected"))

    def commands_sent(self) -> int:
        """Pages asked since the start."""
        return self._thread.commands

    async def close(self) -> None:
        """End the thread."""
        await self._thread.close(lambda: None)

    # ---- in the thread

    def _read(self, ids: Sequence[str]) -> list[tuple[str, bytes]]:
        self._open()
        found = []
        for task_id in ids:
            raw = self._backend.get(self._backend.get_key_for_task(task_id))
            if raw is not None:
                found.append((task_id, raw.encode() if isinstance(raw, str) else bytes(raw)))
        return found

    def _open(self) -> None:
        if self._backend is not None:
            return
        for module in self.kind.modules:
            importlib.import_module(module)
        celery = importlib.import_module("celery")
        choose = importlib.import_module("celery.app.backends")
        app = celery.Celery("lazycelery", set_as_current=False)
        if self._prefix:
            app.conf.result_backend_transport_options = {"global_keyprefix": self._prefix}
        if self._scheme == "s3":
            app.conf.update(_bucket(self._dsn))
        cls, url = choose.by_url(self._dsn, app.loader)
        tame = type(cls.__name__, (cls,), dict.fromkeys(self.kind.without, _nothing))
        backend = tame(app=app, url=url)
        if self.kind.client and type(backend.client).__module__.partition(".")[0] != self.kind.client:
            raise ConnectionProblem(
                f"The client found for {self.kind.title} may unpickle what it reads: it is not used.",
                f"pip install {self.kind.needs}, and remove the other one where LazyCelery is installed.",
            )
        self._backend = backend

    def _explain(self, error: BaseException) -> LazyCeleryError:
        if isinstance(error, ImportError):
            return ConnectionProblem(
                f"Results in {self.kind.title} need a package that is not installed: "
                f"{', '.join(self.kind.modules)}.",
                f"pip install '{self.kind.needs}', into the environment of lazycelery.",
            )
        said = re.sub(r"\s+", " ", Redactor().text(str(error))).strip()[:200].rstrip(".")
        return ConnectionProblem(
            f"{self.kind.title} at {self.url} cannot be read: {said or type(error).__name__}.",
            "Check the URL, credentials and network.",
        )
