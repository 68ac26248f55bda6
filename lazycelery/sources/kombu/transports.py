"""Kombu's other transports: what each is called, what it needs, and what can be had through it.

Plain data. Kombu and the drivers are imported only when a connection is opened.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

QueueKind = Literal["files", "sql", "counted", "sent"]
"""Which class serves the queues; `sent` can only be sent to."""


class Transport(NamedTuple):
    """One transport of Kombu."""

    scheme: str
    """The URL's scheme, as Kombu knows it."""
    title: str
    needs: str = ""
    """What pip installs for it."""
    modules: tuple[str, ...] = ()
    """Modules without which Kombu cannot use it."""
    others: tuple[str, ...] = ()
    """More schemes of the same transport."""
    queues: QueueKind = "sent"
    silent: str = ""
    """Why there are neither events nor control; "" when there are."""
    uncounted: str = ""
    """Why depths are not told; "" when they are."""
    fanout_events: bool = False
    """Celery publishes events on a fanout exchange there, elsewhere on a topic exchange."""
    note: str = ""
    """What else a person should know."""
    gives_back: str = ""
    """What becomes of a message whose worker was lost; "" is not known."""
    poll: float = 0.25
    """Seconds between two looks for new messages of our own queues."""
    options: tuple[str, ...] = ()
    """Transport options that are not secret and that a URL's query may set."""
    tested: str = ""
    """What its tests run against; "" when it never met a server."""


NO_FANOUT = "has no fanout"
TRANSPORTS: tuple[Transport, ...] = (
    Transport(
        "filesystem",
        "The filesystem transport",
        tested="itself",
        queues="files",
        note="Messages that a worker has taken are in no file: a killed worker loses them.",
        gives_back="Its message is in no file any more: no other worker gets it",
        poll=0.05,
        options=("data_folder_in", "data_folder_out", "control_folder", "polling_interval"),
    ),
    Transport(
        "memory",
        "The memory transport",
        tested="itself",
        queues="counted",
        note="Only workers in this very process can be seen.",
        gives_back="Its message is lost with it",
        poll=0.05,
    ),
    Transport(
        "mongodb",
        "MongoDB",
        needs="pymongo",
        modules=("pymongo",),
        queues="counted",
        options=("ttl", "connect_timeout"),
    ),
    Transport(
        "pgmq",
        "PGMQ",
        needs="pgmq psycopg[binary]",
        modules=("pgmq", "psycopg"),
        silent="would leave queues of ours in the database when we are killed",
        queues="sent",
        uncounted="Depths are not read yet.",
    ),
    Transport(
        "sqs",
        "SQS",
        tested="Moto, a stand-in",
        needs="celery[sqs]",
        modules=("boto3", "urllib3"),
        others=("SQS",),
        queues="counted",
        silent=NO_FANOUT,
        options=("region", "queue_name_prefix", "is_secure"),
    ),
    Transport(
        "gcpubsub",
        "Google Pub/Sub",
        needs="celery[gcpubsub]",
        modules=("google.cloud.pubsub_v1", "google.cloud.monitoring_v3"),
        silent="would leave subscriptions of ours behind when we are killed",
        uncounted="Pub/Sub counts messages only in Google's monitoring, minutes late.",
    ),
    Transport(
        "sqlalchemy",
        "SQL",
        tested="SQLite, PostgreSQL, MariaDB",
        needs="sqlalchemy",
        modules=("sqlalchemy",),
        others=("sqla",),
        queues="sql",
        gives_back="Its message stays in the table unseen: no other worker gets it",
        silent=NO_FANOUT,
    ),
    Transport(
        "kafka",
        "Kafka",
        needs="confluent-kafka",
        modules=("confluent_kafka",),
        others=("confluentkafka",),
        silent=NO_FANOUT,
        uncounted="Kombu counts a topic only for its own consumer, and to be one would take messages from "
        "workers.",
    ),
    Transport(
        "zookeeper",
        "ZooKeeper",
        tested="a real server",
        needs="kazoo",
        modules=("kazoo",),
        queues="counted",
        silent=NO_FANOUT,
    ),
    Transport(
        "etcd",
        "etcd",
        tested="a real server",
        needs="python-etcd",
        modules=("etcd",),
        silent=NO_FANOUT,
        uncounted="Counting a queue would read every message in it, under the lock that workers need.",
    ),
    Transport(
        "consul",
        "Consul",
        needs="python-consul2",
        modules=("consul",),
        silent=NO_FANOUT,
        uncounted="Counting a queue would read every message in it.",
    ),
    Transport(
        "azurestoragequeues",
        "Azure Storage Queues",
        tested="Azurite, Microsoft's emulator",
        needs="azure-storage-queue azure-identity",
        modules=("azure.storage.queue",),
        queues="counted",
        silent=NO_FANOUT,
    ),
    Transport(
        "azureservicebus",
        "Azure Service Bus",
        needs="azure-servicebus azure-identity",
        modules=("azure.servicebus",),
        queues="counted",
        silent=NO_FANOUT,
    ),
)
BY_SCHEME: dict[str, Transport] = {
    scheme: transport for transport in TRANSPORTS for scheme in (transport.scheme, *transport.others)
}


def transport_of(scheme: str) -> Transport | None:
    """The transport of a URL's scheme: `sqla+sqlite` is `sqla`."""
    return BY_SCHEME.get(scheme.partition("+")[0])
