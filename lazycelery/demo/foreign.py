"""A broker that is not the demo's own: used only when it is certainly nobody else's either."""

from __future__ import annotations

from lazycelery.errors import ConnectionProblem, Refused, UsageError

MARK = "lazycelery.demo"
"""The key that says: this database belongs to the demo."""
ELSEWHERE = "Give it an empty one, such as redis://host/9, or leave --broker out."


def claim(url: str) -> None:
    """Take an empty database, or one that a demo took before.

    The demo's workers consume queues with everyday names: on a broker in use they would take other
    people's messages and throw them away. Raises `UsageError`, `ConnectionProblem` or `Refused`.
    """
    import redis

    if not url.startswith(("redis://", "rediss://")):
        raise UsageError(
            "The demo can use only a Redis broker so far.", "Give --broker redis://…, or leave it out."
        )
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3) as client:
            mine = client.exists(MARK) or client.dbsize() == 0
            if mine:
                client.set(MARK, "yes")
    except ValueError as error:
        raise UsageError("The demo's --broker is no valid URL.", "Like this: redis://host:6379/9") from error
    except redis.RedisError as error:
        # The client's text is left out: it may repeat the URL.
        raise ConnectionProblem(
            f"The demo cannot use that broker ({type(error).__name__}).",
            "Check host, port and password, or leave --broker out and the demo starts its own.",
        ) from error
    if not mine:
        raise Refused("The broker's database is not empty, and the demo's workers would eat it.", ELSEWHERE)
