"""An error's text without what differs from one time to the next: ids, numbers, paths, addresses, values."""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from typing import NamedTuple

from lazycelery.model.text import clean

READ = 1500
"""Characters of an error that are looked at."""
KEPT = 300
"""Characters of a message."""
OF_LANGUAGE = frozenset(
    {
        *("AttributeError", "NameError", "UnboundLocalError", "TypeError", "ImportError"),
        *("ModuleNotFoundError", "SyntaxError", "NotRegistered", "FieldError", "ImproperlyConfigured"),
    }
)
"""Exceptions that quote names of code: these stay."""
OF_KEYS = frozenset({"KeyError", "IndexError", "LookupError"})
"""Exceptions whose whole message is a value."""
NOUNS = frozenset(
    {
        *("relation", "column", "constraint", "table", "index", "function", "schema", "type", "database"),
        *("attribute", "field", "module", "operation", "parameter", "argument", "role", "view", "sequence"),
        *("codec", "keyword", "key", "class", "method", "object", "queue", "exchange", "vhost", "property"),
    }
)
"""Words after which a quoted word is the name of a thing, and no value."""

OF_SYSTEM = frozenset(
    name for name, each in vars(builtins).items() if isinstance(each, type) and issubclass(each, OSError)
)
"""Exceptions whose first argument is the number of an error."""

_COLORS = re.compile(r"(?:[\x1b\x0b]|\\x[01]b|\\0[03][03]|\\u00[01]b)\[[0-9;:?]*[A-Za-z]", re.I)
"""Colours, also written out, and with the digits of the sequence as zeros."""
_HEAD = re.compile(r"\s*([A-Za-z_][\w.]{0,200})\((.*)\Z", re.S)
_PLAIN = re.compile(r"\s*([A-Z][\w.]{0,200}(?:Error|Exception|Timeout|Exceeded|Warning|Fault)): (.*)\Z", re.S)
_ANGLED = re.compile(r"\s*<([A-Za-z_][\w.]{0,200})[:\s(](.*?)>?\Z", re.S)
_NAME = re.compile(r"[A-Za-z_][A-Za-z_.\-]*")
_SPACE = re.compile(r"\s+")
_AGAIN = re.compile(r"(<\w+>)(?:[,;]? ?\1)+")
_MASK = re.compile(
    # Runs of plain words first: they are most of a text, and all else would be tried at each of them.
    r"(?P<kept>(?<![\w=])(?:[A-Za-z]+ +)+|\[Errno -?\d+\])"
    r"|(?P<rest>\bargs:.*\Z)"
    r"|(?P<url>\b[A-Za-z][A-Za-z0-9+.\-]{0,30}://[^\s'\"<>)\]]+)"
    r"|(?P<email>\b[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,6})"
    r"|(?P<uuid>\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b)"
    r"|(?P<time>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+\-]\d\d:?\d\d)?)?)"
    r"|(?P<address>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\b(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{1,4}\b|(?<![\w:])::1\b"
    r"|\b[A-Za-z][\w\-]{0,62}(?:\.[\w\-]{1,63}){1,6}:\d+\b|\blocalhost:\d+\b)"
    r"|(?P<hex>\b0[xX][0-9A-Fa-f]+\b|\b(?=[A-Fa-f]*\d)(?=\d*[A-Fa-f])[0-9A-Fa-f]{8,}\b)"
    r"|(?P<path>(?<![\w<>])(?:~?(?:/[\w.@%+~\-]+){2,}/?|[A-Za-z]:\\[^\s'\"]+))"
    r"|(?<!\w)(?P<quoted>[bBuU]?'(?:[^'\\]|\\.){0,400}'|[bBuU]?\"(?:[^\"\\]|\\.){0,400}\")(?!\w)"
    r"|(?<=\w=)(?P<value>[^\s,;()&'\"<>]+)"
    r"|(?<==)(?P<tuple>\([^()]{1,200}\))"
    r"|(?P<gone>\[redacted\]|\*\*\*)"
    r"|(?P<id>\b(?=\w{6,})(?:[A-Za-z_]+\d+[A-Za-z_]|\d+[A-Za-z_]+\d)\w*)"
    r"|(?P<n>(?:(?<!\w)[+\-])?\d+(?:[.,]\d+)*)"
)
_SHOWN = {"rest": "args:<value>", "tuple": "(<value>)", "gone": "<value>"}


class Told(NamedTuple):
    """An exception's name, and what it said."""

    type: str
    message: str


def told(error: str) -> Told:
    """The name and the plain message of an error as an event or a result tells it: `ValueError('boom')`."""
    text = error[:READ]
    found = _HEAD.match(text)
    if found is not None:
        return Told(_short(found[1]), _inner(found[2], _short(found[1])))
    found = _PLAIN.match(text) or _ANGLED.match(text)
    return Told(_short(found[1]), found[2]) if found is not None else Told("", text)


def _short(name: str) -> str:
    return name.rpartition(".")[2] or name


def _inner(text: str, type_: str) -> str:
    """What stands in an exception's brackets, as its message."""
    text = text.rstrip()
    text = text[:-1] if text.endswith(")") else text
    text = text.removesuffix(",")
    quote = text[:1]
    if quote in "'\"" and quote and "\\" not in text and text.find(quote, 1) in (-1, len(text) - 1):
        return text[1:-1] if text.endswith(quote) and len(text) > 1 else text[1:]
    nested = _HEAD.match(text)
    if nested is not None and nested[1][:1].isupper():
        return f"{_short(nested[1])}: {_inner(nested[2], _short(nested[1]))}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python tells the terminal of backslashes that it does not know.
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        # It was cut, or holds what is no literal.
        return text[1:].replace("\\n", " ").replace("\\'", "'") if quote in "'\"" else text
    if type_ in OF_SYSTEM and isinstance(value, tuple) and [type(part) for part in value[:2]] == [int, str]:
        return f"[Errno {value[0]}] {value[1]}"  # As Python tells it, and tracebacks do.
    if isinstance(value, tuple) and any(isinstance(part, str) for part in value):
        return ", ".join(part if isinstance(part, str) else repr(part) for part in value)
    return value if isinstance(value, str) else text


def masked(error: Told, code: str = "") -> str:
    """The message with all that differs taken out: one harmless line. `code` is the line that raised it:
    a key that stands in it is no value."""
    text = _COLORS.sub("", error.message) if "[" in error.message else error.message
    if error.type in OF_KEYS and " " not in text.strip():
        inner = text.strip("'\"")
        return clean(text, KEPT) if f'"{inner}"' in code or f"'{inner}'" in code else "<key>"
    keeps = error.type in OF_LANGUAGE

    def shown(found: re.Match[str]) -> str:
        kind = found.lastgroup or ""
        return _quoted(found, keeps) if kind == "quoted" else _shown(found, kind)

    return _AGAIN.sub(r"\1 …", clean(_SPACE.sub(" ", _MASK.sub(shown, text)).strip(), KEPT))


def _quoted(found: re.Match[str], keeps: bool) -> str:
    whole = found["quoted"]
    start = 0 if whole[0] in "'\"" else 1
    inner = whole[start + 1 : -1]
    if inner.count(" ") >= 2:  # A sentence, and no value.
        quote = whole[start]
        return f"{quote}{_MASK.sub(_plainly, inner)}{quote}"
    if _NAME.fullmatch(inner):
        before = found.string[max(0, found.start() - 24) : found.start()].split()
        if keeps or (before and before[-1].lower() in NOUNS):
            return whole
    return "<text>"


def _plainly(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    return "<text>" if kind == "quoted" else _shown(found, kind)


def _shown(found: re.Match[str], kind: str) -> str:
    return found[0] if kind == "kept" else _SHOWN.get(kind) or f"<{kind}>"
