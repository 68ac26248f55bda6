"""docs/keys.md: `python -m lazycelery.keys > docs/keys.md`."""

from __future__ import annotations

import sys

from lazycelery.keys.document import document

if __name__ == "__main__":
    sys.stdout.write(document())
