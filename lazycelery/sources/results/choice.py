"""Where results are read: said by a person, told by the workers, or beside the messages."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from lazycelery.model.faces import by_face
from lazycelery.model.profile import Profile
from lazycelery.sources import REDIS, scheme_of

MASK = "**"
"""What Celery writes in place of a password."""
MASKED = "The workers' result backend is on another host, and they mask its password."
UNKNOWN = "No worker has told its result backend."


def given(url: str = "URL") -> str:
    """How the result backend is told."""
    said = url if url == "URL" else f'"{url}"'
    return by_face(
        f"Give it with --backend {url}, or backend in the profile.",
        f"Give it in the profile: backend = {said}.",
    )


def backend_url(told: str | None, profile: Profile) -> tuple[str | None, str]:
    """The URL to read results from, or `None` and why there is none.

    `told` is `result_backend` of the workers' conf, passwords masked. A masked one on the broker's own
    host is read with the broker's credentials. Without any, a Redis broker's own database is tried.
    """
    if profile.backend:
        return profile.backend, ""
    if told:
        return _unmasked(told, profile.broker) if MASK in told else (told, "")
    if scheme_of(profile.broker) in REDIS:
        return profile.broker, ""
    return None, f"{UNKNOWN} {given()}"


def _unmasked(told: str, broker: str) -> tuple[str | None, str]:
    try:
        mine, theirs = urlsplit(broker), urlsplit(told)
        same = mine.scheme == theirs.scheme and _place(mine) == _place(theirs)
    except ValueError:
        same = False
    if not same or "@" not in mine.netloc:
        return None, f"{MASKED} {given()}"
    credentials = mine.netloc.rpartition("@")[0]
    return theirs._replace(netloc=f"{credentials}@{theirs.netloc.rpartition('@')[2]}").geturl(), ""


def _place(url: SplitResult) -> tuple[str, int]:
    return (url.hostname or "localhost", url.port or 6379)
