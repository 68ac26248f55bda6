"""Where the configuration file is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "LAZYCELERY_CONFIG"


def default_path() -> Path:
    """`lazycelery/config.toml` in the platform's configuration directory."""
    import platformdirs

    return Path(platformdirs.user_config_dir("lazycelery", appauthor=False)) / "config.toml"


def themes_directory(environ: Mapping[str, str]) -> Path:
    """Where a person's own themes are: `themes`, beside the configuration file."""
    return config_path(None, environ)[0].parent / "themes"


def config_path(option: str | None, environ: Mapping[str, str]) -> tuple[Path, str]:
    """The file that would be read, and who named it: "--config", "$LAZYCELERY_CONFIG" or "default"."""
    if option:
        return Path(option).expanduser(), "--config"
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE]).expanduser(), f"${VARIABLE}"
    return default_path(), "default"
