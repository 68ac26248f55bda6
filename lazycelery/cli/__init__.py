"""The command line. Importing this loads nothing; `main` loads click, and each command loads its own."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code. `argv` is without the program's name."""
    from lazycelery.cli.running import run

    return run(argv)
