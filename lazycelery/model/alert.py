"""Alerts: where findings are told, what is told there, and the turns that findings take."""

from __future__ import annotations

from typing import Literal

import msgspec

from lazycelery.model.finding import Finding, Severity

TurnKind = Literal["new", "worse", "back", "recovered", "remark"]


class AlertTarget(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One `[[profiles.NAME.alerts]]`: `command`, `webhook`, `slack` or `terminal`, and what is told there."""

    name: str
    command: list[str] = []
    """Program and arguments, run without a shell; the alert is JSON on its standard input."""
    webhook: str = ""
    """URL to which the alert is posted as JSON. May hold a secret, as `slack`: neither is ever shown."""
    slack: str = ""
    """The same in Slack's form, which Mattermost, Discord (`/slack`) and others take."""
    terminal: Literal["", "bell", "osc9"] = ""
    """A bell, or the terminal's own notification, where `lazycelery watch` runs in one."""
    authorization_env: str = ""
    """Name of the variable that holds the `Authorization` header of the webhook."""
    authorization_keyring: str = ""
    """The same in the keyring: `service/user`."""
    least: Severity = "warning"
    codes: list[str] = []
    """Patterns; `!x` leaves out. Empty: all."""
    subjects: list[str] = []
    cool_down: float = 3600.0
    """Seconds in which the same is not told again, unless it is worse."""
    group: float = 5.0
    """Seconds for which alerts are gathered into one message."""
    recovery: bool = True
    """Whether it is told when a finding has gone that was told."""
    timeout: float = 10.0


class Case(msgspec.Struct, kw_only=True):
    """A finding over time, also over restarts: from its first sight until it has gone."""

    id: str
    code: str
    subjects: list[str]
    """All that it was ever about."""
    severity: Severity
    """The worst it was."""
    began: float
    finding: Finding
    """As it was seen last."""
    absent: float | None = None
    """Since when it is not there any more."""
    snoozed: bool = False
    under: list[tuple[str, str]] = []
    """Code and subject of the findings that speak for it now."""
    said: bool = True
    """Whether it was ever said by itself."""
    restored: bool = False
    """Known from the disk, and not seen since this engine began."""


class Turn(msgspec.Struct, kw_only=True):
    """One line of `lazycelery watch`: a finding is new, worse, back from being snoozed, or has gone."""

    seq: int = 0
    kind: TurnKind
    at: float
    case: str = ""
    """The same for all turns of one finding."""
    finding: Finding | None = None
    aside: bool = False
    """Of a finding for which another one speaks: for targets that ask for it alone, and for no face."""
    text: str = ""
    """Of a remark: what happened to alerts or rules themselves."""


class TurnPage(msgspec.Struct, kw_only=True):
    """Turns after a sequence number."""

    turns: list[Turn] = []
    last: int = 0
    missed: int = 0
    open: int = 0
    """Findings that are there now."""
    pending: int = 0
    """Alerts that wait to be delivered."""
    examined: float | None = None
    """When the doctor looked last."""
