"""What loading gives: the chosen profile, the screen's settings, and where each value came from."""

from __future__ import annotations

import msgspec

from lazycelery.config.views import Shelf
from lazycelery.model.profile import Profile


class UiSettings(msgspec.Struct, kw_only=True):
    """How the screen looks and behaves; the cluster is none of its business."""

    theme: str = "dark"
    """One of `lazycelery.config.schema.THEMES`."""
    ascii: bool = False
    """Plain ASCII signs and borders."""
    mouse: bool = True
    utc: bool = False
    """Times in UTC instead of local time."""
    paint: float = 0.1
    """Shortest time between two paints, seconds. More is gentler to a slow line."""
    keymap: dict[str, str | list[str]] = {}
    """Action id -> its keys instead of the built-in ones, checked by `lazycelery.keys.keymap`."""


class Options(msgspec.Struct, kw_only=True):
    """What was said on the command line; `None` means nothing was said."""

    broker: str | None = None
    backend: str | None = None
    beat: str | None = None
    profile: str | None = None
    config: str | None = None
    allow: list[str] | None = None
    """Permission and role names."""
    read_only: bool = False
    timeout: float | None = None
    enable_events: bool = False


class Settings(msgspec.Struct, kw_only=True):
    """Everything a face needs to start."""

    profile: Profile
    ui: UiSettings
    origins: dict[str, str] = {}
    """Where each value came from, by key: `broker`, `allow`, `ui.theme`, `keymap.quit` …"""
    warnings: list[str] = []
    source: str | None = None
    """The configuration file that was read, or `None`."""
    profiles: list[str] = []
    """Names of all profiles in the file, in its order."""
    tried: list[str] = []
    """Where a broker was looked for, in order: for the message when there is none."""
    shelf: Shelf = msgspec.field(default_factory=Shelf)
    """The saved views of the profile."""
