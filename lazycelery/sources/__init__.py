"""The only room that touches the cluster's network."""

from __future__ import annotations

import difflib

from lazycelery.errors import UsageError
from lazycelery.model.profile import Profile
from lazycelery.sources.kombu.transports import BY_SCHEME, transport_of
from lazycelery.sources.protocols.broker import Broker

REDIS = ("redis", "rediss", "redis+socket", "redis+unix", "unix", "sentinel")
AMQP = ("amqp", "amqps", "pyamqp")
REPLAY = "replay"
GONE = {
    "librabbitmq": "Write amqp:// for the same broker.",
    "qpid": "Kombu's transport for it has no maintainer.",
    "pyro": "Kombu's transport for it is an example.",
    "slmq": "The service behind it has ended.",
}
"""Kombu's transports that are not served, and why."""
EXAMPLE = "For example redis://localhost:6379/0 or amqp://guest:guest@localhost:5672//."


def scheme_of(url: str) -> str:
    """The scheme of a URL, lower case, or "" when it has none."""
    head, colon, _ = url.strip().partition("://")
    return head.lower() if colon and head.replace("+", "").isalnum() else ""


def open_broker(profile: Profile) -> Broker:
    """A broker for the profile's URL, not yet connected. Raises `UsageError`, without credentials."""
    url = profile.broker.strip()
    scheme = scheme_of(url)
    if not url:
        raise UsageError("No broker is given.", f"Give its URL. {EXAMPLE}")
    if scheme in REDIS:
        from lazycelery.sources.redis.broker import RedisBroker

        return RedisBroker(profile)
    if scheme in AMQP:
        from lazycelery.sources.amqp.broker import AmqpBroker

        return AmqpBroker(profile)
    if scheme == REPLAY:
        from lazycelery.sources.replay.broker import ReplayBroker

        return ReplayBroker(profile)
    if transport_of(scheme) is not None:
        from lazycelery.sources.kombu.broker import KombuBroker

        return KombuBroker(profile)
    raise _unknown(scheme)


def _unknown(scheme: str) -> UsageError:
    if not scheme:
        return UsageError("The broker is not a URL.", EXAMPLE)
    served = (
        "Served are redis://, rediss://, redis+socket://, sentinel://, amqp://, amqps://, and of Kombu's "
    )
    served += f"others {', '.join(f'{name}://' for name in BY_SCHEME if name.islower())}."
    if scheme in GONE:
        return UsageError(f"{scheme}:// is not served.", GONE[scheme])
    near = difflib.get_close_matches(scheme, [*REDIS, *AMQP, *BY_SCHEME], 1, cutoff=0.5)
    return UsageError(
        f"{scheme[:30]}:// is no known broker.", f"Did you mean {near[0]}://? {served}" if near else served
    )
