"""TOML's reader, imported only where there is a file to read: it costs the first frame some milliseconds."""

from __future__ import annotations

import sys
from typing import Any


def loads(text: str) -> dict[str, Any]:
    """What a text means. Raises `ValueError`, with the place, where it is not TOML."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)
