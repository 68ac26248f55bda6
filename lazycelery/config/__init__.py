"""Profiles, settings and secrets: load, check, explain, write."""

from __future__ import annotations

from lazycelery.config.loading import load
from lazycelery.config.settings import Options, Settings, UiSettings

__all__ = ["Options", "Settings", "UiSettings", "load"]
