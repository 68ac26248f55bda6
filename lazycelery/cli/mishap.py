"""An error that nobody foresaw, told without a traceback that could hold a credential."""

from __future__ import annotations

import traceback
from pathlib import Path

from lazycelery.errors import LazyCeleryError
from lazycelery.model.redaction import Redactor
from lazycelery.model.text import clean, clean_block


def describe(error: Exception, debug: bool) -> LazyCeleryError:
    """One line with its kind and place; with `debug` the way there, redacted, as the hint."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    message = clean(Redactor().text(str(error)), 300)
    title = f"Unexpected {type(error).__name__}{place}: {message}".rstrip(": ") + "."
    if not debug:
        return LazyCeleryError(title, "This is a defect of LazyCelery. --debug shows where it came from.")
    text = "".join(traceback.format_exception(error))
    return LazyCeleryError(title, "\n".join(clean_block(Redactor().text(text))))
