"""A configuration file in a directory of its own, and loading it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.config import Options, Settings, load
from lazycelery.errors import UsageError

Load = Callable[..., Settings]


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the file, mode 0600."""

    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def loaded(config: Callable[[str], Path]) -> Load:
    """Loads a text as the configuration file, with an environment of its own."""

    def run(text: str = "", environ: dict[str, str] | None = None, **options: Any) -> Settings:
        fetch = options.pop("fetch_secrets", True)
        given = Options(config=str(config(text)), **options)
        return load(given, environ or {}, fetch_secrets=fetch)

    return run


@pytest.fixture
def refused(loaded: Load) -> Callable[..., UsageError]:
    """The error that loading a text ends with."""

    def run(text: str, environ: dict[str, str] | None = None, **options: Any) -> UsageError:
        with pytest.raises(UsageError) as caught:
            loaded(text, environ, **options)
        return caught.value

    return run
