"""One worker of the example shop: `python -m lazycelery.demo.worker NAME CELERY-OPTIONS…`."""

from __future__ import annotations

import sys

from lazycelery.demo import leash


def main() -> None:
    """Hold the leash, then be a Celery worker until told otherwise."""
    leash.hold()
    from lazycelery.demo.shop import app

    name, *options = sys.argv[1:]
    app.worker_main(["worker", "-n", name, "-E", "-l", "CRITICAL", "--without-mingle", *options])


if __name__ == "__main__":
    main()
