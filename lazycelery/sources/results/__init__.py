"""Result backends, read only."""

from __future__ import annotations

from lazycelery.model.profile import Profile
from lazycelery.sources import REDIS, scheme_of
from lazycelery.sources.protocols import Results

NONE: dict[str, str] = {
    "": "No result backend is configured: results are known from events alone.",
    "disabled": "The result backend is disabled: results are known from events alone.",
    "rpc": "The rpc:// backend keeps results in the caller's own queue: nobody else can read them.",
    "amqp": "The amqp:// backend keeps each result in a queue: reading it would take it away.",
    "cache": "Results in a cache cannot be listed, and are not read yet.",
}


def open_results(url: str | None, profile: Profile) -> tuple[Results | None, str]:
    """A result backend, not yet connected; or `None` and why not. Raises `UsageError` for a broken URL."""
    text = (url or "").strip()
    if not text or "://" not in text:
        kind = text.lower().rstrip(":/")
        return None, NONE.get(kind, "The result backend is not a URL; it is not read.")
    scheme = scheme_of(text)
    if scheme in REDIS:
        from lazycelery.sources.results.redis import RedisResults

        return RedisResults(text, profile), ""
    known = scheme.partition("+")[0]
    return None, NONE.get(known, f"Results in {scheme[:30]}:// are not read yet.")
