"""A configuration file as it was read, and complaints that point into it."""

from __future__ import annotations

import difflib
import json
import re
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from lazycelery.config import toml
from lazycelery.config.lines import KeyPath, line_of
from lazycelery.errors import UsageError
from lazycelery.model.text import clean

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")


class Document(msgspec.Struct):
    """A parsed file. `data` is what TOML made of `text`."""

    path: Path
    text: str
    data: dict[str, Any]

    def where(self, path: KeyPath) -> str:
        """The file, and the line where it is known."""
        line = line_of(self.text, path)
        return f"{self.path}, line {line}" if line else str(self.path)

    def wrong(self, path: KeyPath, problem: str, hint: str = "") -> UsageError:
        """An error about one key, ready to raise."""
        return UsageError(f"{self.where(path)}: {dotted(path)} {problem}.", hint)

    def origin(self, path: KeyPath) -> str:
        """How `config show` names a value of this file."""
        line = line_of(self.text, path)
        return f"{dotted(path)} in {self.path.name}" + (f" line {line}" if line else "")

    def readable_by_others(self) -> bool:
        """Whether somebody else on this machine may read the file (never on Windows: no mode bits)."""
        if sys.platform == "win32":
            return False
        return bool(self.path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def read(path: Path) -> Document:
    """Read a file. Raises `UsageError` for what cannot be read or is not TOML."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise UsageError(
            f"There is no configuration file {path}.", "`lazycelery config init` writes a commented one."
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its mode."
        ) from None
    return Document(path, text, parse(path, text))


def parse(path: Path, text: str) -> dict[str, Any]:
    """What a text means. Raises `UsageError` with the place where it is not TOML."""
    try:
        return toml.loads(text)
    except ValueError as error:
        place = _PLACE.search(str(error))
        where = f", line {place[1]}, column {place[2]}" if place and place[1] else ", at its end"
        reason = _PLACE.sub("", str(error))
        raise UsageError(
            f"{path}{where}: not valid TOML: {reason}.", 'Text needs quotes: broker = "redis://…".'
        ) from None


def dotted(path: KeyPath) -> str:
    """A key path as one would write it in TOML."""
    return ".".join(part if _BARE.fullmatch(part) else literal(part) for part in path)


def literal(value: Any) -> str:
    """A text, number or boolean as TOML; in a text what could harm a terminal is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    if clean(text) == text:
        return text
    return "".join(sign if clean(sign) == sign else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    code = ord(sign)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint for an unknown word."""
    near = nearest(word, known)
    return f"Did you mean {near}?" if near else otherwise
