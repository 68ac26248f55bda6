"""Everything an engine must know to start: filled by `config`, or by hand in tests."""

from __future__ import annotations

from typing import Any

import msgspec

from lazycelery.model.action import PERMISSIONS
from lazycelery.model.alert import AlertTarget
from lazycelery.model.rule import Rule
from lazycelery.model.service import Service


class Profile(msgspec.Struct, kw_only=True):
    """One cluster and how we may treat it. Only `broker` is needed.

    `broker`, `backend`, `beat` hold credentials: they travel by pipe and never in argv, logs or messages.
    """

    name: str = "default"
    broker: str = ""
    backend: str | None = None
    """Result backend URL. `None`: ask the workers' conf, else on Redis the broker's own database."""
    beat: str | None = None
    """URL at which beat's scheduler keeps its entries: Redis for RedBeat, Django's database for
    django-celery-beat. `None`: the workers' conf, else RedBeat's keys are looked for on a Redis broker."""
    beat_prefix: str | None = None
    """redbeat_key_prefix; `None`: `redbeat:`. Workers mask it."""
    allow: list[str] = []
    """Permissions open from the start."""
    may_unlock: list[str] = msgspec.field(
        default_factory=lambda: [name for name in PERMISSIONS if name not in ("reveal", "export")]
    )
    """Permissions that `W` opens; empty forbids unlocking."""
    production: bool = False
    prefix: str | None = None
    """global_keyprefix of the broker; `None`: found by SCAN."""
    result_prefix: str | None = None
    sep: str = "\x06\x16"
    priority_steps: list[int] = msgspec.field(default_factory=lambda: [0, 3, 6, 9])
    unacked_key: str = "unacked"
    unacked_index_key: str = "unacked_index"
    visibility_timeout: float = 3600.0
    event_exchange: str = "celeryev"
    control_exchange: str = "celery"
    """Namespace of the mailbox: `celery` means `celery.pidbox`."""
    queues: list[str] = []
    """Queues to show even when no binding names them."""
    master_name: str | None = None
    """Sentinel."""
    sentinel_password: str | None = None
    transport_options: dict[str, Any] = {}
    """broker_transport_options, for the transports that Kombu serves."""
    management: str | None = None
    """URL of RabbitMQ's management API. `None`: asked at the broker's host, ports 15672 and 15671."""
    tls_verify: bool = True
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    refresh: float = 2.0
    """Seconds between queue probes."""
    control_refresh: float = 10.0
    """Seconds between rounds of stats and active."""
    timeout: float = 2.0
    """Seconds to wait for control replies and connections."""
    max_tasks: int = 1_000_000
    redact: list[str] = []
    """Patterns beside the built-in ones."""
    redact_default: bool = True
    audit_file: str | None = None
    """`None`: in the state directory of the platform."""
    backup_dir: str | None = None
    history: bool = True
    """Whether what is seen is kept on disk, and what was seen before is shown."""
    history_dir: str | None = None
    """Where; below it each cluster has a directory. `None`: in the state directory of the platform."""
    history_url: str | None = None
    """A PostgreSQL database that a team keeps it in, instead of files."""
    history_password_command: list[str] = []
    """Prints the password of that database; run when it is opened."""
    history_keyring: str = ""
    """The same from the system's keyring: `service/user`."""
    history_name: str = ""
    """The cluster's name there; "": made of the broker's URL. Monitors with the same one share it."""
    history_days: float = 7.0
    history_max_bytes: int = 2_000_000_000
    """Beyond either, the oldest files are deleted."""
    record: str | None = None
    """A new file into which everything that the sources say is recorded, for a replay."""
    workers_grace: float = 0.0
    """Seconds from our start in which workers may be starting too, as those of the demo."""
    recorder: bool = False
    """This engine records the history (unless another one does already); all others only read it."""
    sla: dict[str, dict[str, float]] = {}
    """Targets by patterns of task names: `wait` and `runtime` in seconds, `success` as a share, `share` of
    the tasks that must keep the first two, `window` of the budget in seconds."""
    doctor: dict[str, float] = {}
    """From where on the doctor calls something wrong, where that differs from its own limits."""
    alerts: list[AlertTarget] = []
    """Where findings are told, by `lazycelery watch` and `serve`."""
    rules: list[Rule] = []
    """What `lazycelery watch` and `serve` do with failed tasks; needs permissions, `retry` and `export`."""
    alerting: bool = False
    """This engine keeps watch over findings, and sends alerts unless another one does already."""
    glance: bool = False
    """It looks once: what it knows of findings goes on with the next look."""
    workers: list[Service] = []
    """How workers are started, stopped and followed outside of Celery."""
    enable_events: bool = False
    """Switch task events on at start (needs the permission `events`), and back at the end."""
