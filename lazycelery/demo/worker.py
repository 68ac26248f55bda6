"""One worker of the example shop: `python -m lazycelery.demo.worker NAME CELERY-OPTIONS…`."""

from __future__ import annotations

import os
import sys

from lazycelery.demo import folder, leash


def main() -> None:
    """Hold the leash, then be a Celery worker until told otherwise.

    On a folder Kombu reads a message that is still being written, and the worker ends by it: it begins anew.
    """
    leash.hold()
    from lazycelery.demo.shop import app

    name, *options = sys.argv[1:]
    try:
        app.worker_main(["worker", "-n", name, "-E", "-l", "CRITICAL", "--without-mingle", *options])
    except SystemExit as end:
        if not end.code or not folder.is_folder(os.environ.get("LAZYCELERY_DEMO_BROKER", "")):
            raise
        os.execv(sys.executable, [sys.executable, "-m", "lazycelery.demo.worker", *sys.argv[1:]])


if __name__ == "__main__":
    main()
