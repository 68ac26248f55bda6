"""`python -m lazycelery`."""

from __future__ import annotations

import sys

from lazycelery.cli import main

if __name__ == "__main__":
    sys.exit(main())
