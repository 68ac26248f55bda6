"""The limits in docs/findings.md and in the starter file, made from the code.

`python -m tests.doctor.limits_table` writes them.
"""

from __future__ import annotations

from pathlib import Path

from lazycelery import manual

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "findings.md"
STARTERS = (ROOT / "lazycelery" / "config" / "starter.toml", ROOT / "config.example.toml")
HEAD = "| limit | usual | meaning |\n|---|---|---|\n"
TABLE = "#[profiles.prod.doctor]\n"


def table() -> str:
    """A line a limit: its name, its value, and its meaning."""
    return HEAD + "".join(
        f"| `{name}` | {value:,} | {what} |\n" for name, (value, what) in manual.limits().items()
    )


def example() -> str:
    """Two lines a limit: its meaning, and its usual value."""
    return TABLE + "".join(
        f"# {what}\n#{name} = {value}\n" for name, (value, what) in manual.limits().items()
    )


def main() -> None:
    """Write them into the pages."""
    for path, head, told in ((PAGE, HEAD, table()), *((one, TABLE, example()) for one in STARTERS)):
        before, _, rest = path.read_text().partition(head)
        after = rest.partition("\n\n")
        path.write_text(f"{before}{told}{after[1][1:]}{after[2]}")


if __name__ == "__main__":
    main()
