"""Result backends, read only."""

from __future__ import annotations

from lazycelery.model.profile import Profile
from lazycelery.sources import REDIS, scheme_of
from lazycelery.sources.protocols.results import Results
from lazycelery.sources.results.choice import given

NONE: dict[str, str] = {
    "": "No result backend is configured: results are known from events alone.",
    "disabled": "The result backend is disabled: results are known from events alone.",
    "rpc": "The rpc:// backend keeps results in the caller's own queue: nobody else can read them.",
    "amqp": "The amqp:// backend keeps each result in a queue: reading it would take it away.",
    "django-db": "django-celery-results keeps them in Django's database, whose address workers do not tell.",
    "django-cache": "Results are in Django's cache, under names that only Django knows: they are not read.",
}
MEMORY = "The cache+memory:// backend keeps results in the worker's own memory: nobody else can read them."


def open_results(url: str | None, profile: Profile) -> tuple[Results | None, str]:
    """A result backend, not yet connected; or `None` and why not. Raises `UsageError` for a broken URL."""
    text = (url or "").strip()
    if not text or "://" not in text:
        kind = text.lower().rstrip(":/")
        why = NONE.get(kind, "The result backend is not a URL; it is not read.")
        return None, f"{why} {given('django-db+postgresql://…')}" if kind == "django-db" else why
    scheme = text.partition("://")[0].lower()
    if scheme_of(text) in REDIS:
        from lazycelery.sources.results.redis import RedisResults

        return RedisResults(text, profile), ""
    if scheme.startswith(("db+", "database+", "django-db+")):
        from lazycelery.sources.results.sql import SqlResults

        return SqlResults(text, profile), ""
    if scheme == "file":
        from lazycelery.sources.results.folder import FolderResults

        return FolderResults(text, profile), ""
    return _by_id(text, scheme, profile)


def _by_id(text: str, scheme: str, profile: Profile) -> tuple[Results | None, str]:
    from lazycelery.sources.results.backends import KINDS, REFUSED, BackendResults

    kind = scheme.partition("+")[0]
    if scheme == "cache+memory":
        return None, MEMORY
    if kind in KINDS:
        return BackendResults(text, profile), ""
    return None, REFUSED.get(kind) or NONE.get(kind, f"Results in {scheme[:30]}:// are not read.")
