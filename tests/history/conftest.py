"""Fixtures that the tests of the command line have too."""

from __future__ import annotations

from tests.cli.conftest import run

__all__ = ["run"]
