"""Secrets taken out of values, texts and URLs before anybody sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

REDACTED = "[redacted]"
TOO_DEEP = "[too deep to show]"
MAX_DEPTH = 40

DEFAULT_KEYS: tuple[str, ...] = (
    r"passw(?:or)?d",
    r"passphrase",
    r"(?<![a-z])pwd",
    r"(?<![a-z])pin(?![a-z])",
    r"secret",
    # counts of a language model are no secrets
    r"(?<!max_)(?<!total_)(?<!prompt_)(?<!completion_)(?<!input_)(?<!output_)(?<!num_)(?<!cached_)token",
    r"authori[sz]ation",
    r"(?<![a-z])auth(?![a-z])",
    r"api[_\-. ]?key",
    r"access[_\-. ]?key",
    r"private[_\-. ]?key",
    r"encryption[_\-. ]?key",
    r"signing[_\-. ]?key",
    r"credential",
    r"(?<![a-z])card(?![a-z])",
    r"card[_\-. ]?(?:number|num|no)(?![a-z])",
    r"(?:credit|debit|bank|payment)[_\-. ]?card",
    r"(?<![a-z])cv[vc]2?(?![a-z])",
    r"(?<![a-z])ssn",
    r"(?<![a-z])iban(?![a-z])",
    r"(?<![a-z])otp(?![a-z])",
    r"(?<![a-z])jwt",
    r"session[_\-. ]?(?:id|key)",
    r"cookie",
    r"csrf",
)
"""Patterns of keys whose values nobody should see; case does not matter."""

_HINTS = (
    *("passw", "passphrase", "pwd", "pin", "secret", "token", "auth", "key", "credential", "card"),
    *("cvv", "cvc", "ssn", "iban", "otp", "jwt", "session", "cookie", "csrf"),
)
"""One of these is in every text that holds a default key: far cheaper to look for than the patterns."""

_WHOLE_LINE = re.compile(r"authori[sz]ation|cookie", re.I)
_STRONG = re.compile(
    r"(?P<scheme>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=\-]{6,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    # One search ends where the next one begins: else many beginnings of tokens would take for ever.
    r"|\beyJ(?=[A-Za-z0-9_\-]{8})(?:(?!-eyJ[A-Za-z0-9_\-]{8})[A-Za-z0-9_\-])+\.[A-Za-z0-9_\-.]{8,}",
    re.I | re.S,
)
_STRONG_HINTS = ("bearer", "basic", "private key", "eyj")
_ALL_HINTS = (*_STRONG_HINTS, *_HINTS)
_PLAIN = re.compile(r"[\w.:/-]+")
"""What names are made of."""
_URL = re.compile(r"://[^\s'\"]*")
"""One or several: nothing parts them for sure."""
_URL_USER = re.compile(r"://[^\s:/@'\"]*:")
_URL_TOKEN = re.compile(r"(://)[^\s:/@'\"]{20,}@")
_VALUE_START = re.compile(r"[bBrRuUfF]{0,2}(?P<slashes>\\*)(?P<quote>[\"'])(?P<long>(?P=quote){2})?")
_BARE = re.compile(r"[\"'()\[\]{},;&\s]")
_ANNOTATED = re.compile(r"\s*=\s*(?!=)")
_CLOSING = {")": "(", "]": "[", "}": "{"}


class Redactor:
    """Knows which keys are secret. `patterns` (regular expressions, or plain words) come on top."""

    def __init__(self, patterns: Sequence[str] = (), defaults: bool = True) -> None:
        keys = [*(DEFAULT_KEYS if defaults else ()), *(_readable(pattern) for pattern in patterns if pattern)]
        self._only_defaults = defaults and not any(patterns)
        self._key: re.Pattern[str] | None = None
        if keys:
            core = "|".join(f"(?:{key})" for key in keys)
            self._key = re.compile(core, re.I)
            self._named = re.compile(
                rf"(?P<key>{core})[\w\-.$]{{0,64}}?(?P<q>\\*[\"'])?\]?\s*"
                rf"(?P<sep>=>|[:!=]?==?|:|(?<=[\"'])\s*,)\s*",
                re.I,
            )
            self._in_query = re.compile(rf"([?&;][^=&#]*(?:{core})[^=&#]*=)[^&#\s]*", re.I)

    def value(self, obj: Any) -> Any:
        """A copy of a JSON-like value without its secrets."""
        return self._value(obj, 0)

    def text(self, text: str) -> str:
        """A repr, a log line or a traceback without its secrets, also when it was cut anywhere."""
        if "://" in text:
            text = _URL.sub(_without_password, text)
            text = _URL_TOKEN.sub(r"\1***@", text)
        lowered = text.lower()
        if any(hint in lowered for hint in _STRONG_HINTS):
            text = _STRONG.sub(_strong, text)
        if not self._suspicious(text, lowered):
            return text
        return "".join(self._spans(text))

    def name(self, text: str) -> str:
        """A task's or a queue's name: a plain one tells no secret, whatever words are in it."""
        return text if "://" not in text and _PLAIN.fullmatch(text) else self.text(text)

    def may_hold(self, text: str) -> bool:
        """Whether `text` could change this, or any text it is made of. Cheap, and never wrongly `False`."""
        if not self._only_defaults:
            return True  # Somebody's own pattern may look at where a text begins.
        if "://" in text:
            return True
        lowered = text.lower()
        for hint in _ALL_HINTS:  # Faster than `any`, and asked of every text of a busy fleet.
            if hint in lowered:
                # The strong ones stand first: none of them is there when a weak one is found.
                return hint in _STRONG_HINTS or self._suspicious(text, lowered)
        return False

    def url(self, url: str) -> str:
        """A URL without its password, and without the secrets of its query. Never raises."""
        scheme, mark, rest = url.partition("://")
        if mark:
            # A password may hold unescaped `/`, `?` and `@`: everything up to the last `@` goes.
            user, at, host = rest.rpartition("@")
            if at:
                name, colon, _ = user.partition(":")
                rest = f"{name}{':***' if colon else ''}@{host}"
            url = f"{scheme}://{rest}"
        return url if self._key is None else self._in_query.sub(r"\1***", url)

    def secret(self, key: str) -> bool:
        """Whether a value under this key must not be shown."""
        return self._key is not None and self._key.search(key) is not None

    def _suspicious(self, text: str, lowered: str) -> bool:
        if self._only_defaults and not any(hint in lowered for hint in _HINTS):
            return False
        return self._key is not None and self._key.search(text) is not None

    def _value(self, obj: Any, depth: int) -> Any:
        if isinstance(obj, str):
            return self.text(obj)
        if depth > MAX_DEPTH:
            return TOO_DEEP
        if isinstance(obj, dict):
            return {self._shown_key(key): self._under(key, item, depth) for key, item in obj.items()}
        if isinstance(obj, (list, tuple)):
            return self._sequence(obj, depth)
        return obj

    def _shown_key(self, key: Any) -> Any:
        """Who writes values writes keys as well; a plain name holds nothing."""
        return key if not isinstance(key, str) or key.isidentifier() else self.text(key)

    def _under(self, key: Any, item: Any, depth: int) -> Any:
        if isinstance(key, str) and item is not None and self.secret(key):
            return REDACTED
        return self._value(item, depth + 1)

    def _sequence(self, items: list[Any] | tuple[Any, ...], depth: int) -> Any:
        # headers often come as pairs
        if len(items) == 2 and isinstance(items[0], str) and self.secret(items[0]):
            shown = [self._shown_key(items[0]), REDACTED]
        else:
            shown = [self._value(item, depth + 1) for item in items]
        return tuple(shown) if isinstance(items, tuple) else shown

    def _spans(self, text: str) -> Iterator[str]:
        done = 0
        while match := self._named.search(text, done):
            start = match.end()
            end = _value_end(text, start, match["key"], match["q"])
            while end < len(text) and (again := _ANNOTATED.match(text, end)):
                end = _value_end(text, again.end(), match["key"], None)
            yield text[done:start]
            yield _shown(text[start:end])
            done = end
        yield text[done:]


def _readable(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error:
        return re.escape(pattern)
    return pattern


def _without_password(match: re.Match[str]) -> str:
    """Up to the last `@`. No single pattern: it would look for an `@` from each URL of a long list."""
    urls = match[0]
    at = urls.rfind("@")
    user = _URL_USER.search(urls, 0, at) if at > 0 else None
    return f"{urls[: user.end()]}***{urls[at:]}" if user is not None else urls


def _strong(match: re.Match[str]) -> str:
    return f"{match['scheme'] or ''}{REDACTED}"


def _shown(value: str) -> str:
    if not value or value in ("None", "null"):
        return value
    quote = re.match(r"[bBrRuUfF]{0,2}(\\*[\"'])", value)
    return f"{quote[1]}{REDACTED}{quote[1]}" if quote and value.endswith(quote[1]) else REDACTED


def _value_end(text: str, start: int, key: str, quote: str | None) -> int:
    """Where the value that begins at `start` ends; the end of the text when it was cut."""
    opened = _VALUE_START.match(text, start)
    if opened:
        return _string_end(text, opened)
    if quote is None and _WHOLE_LINE.search(key):
        end = _first_of(text, start, "\n\r'\"")
        default = _VALUE_START.match(text, end) if text[start:end].rstrip().endswith("=") else None
        return _string_end(text, default) if default else end
    return _bare_end(text, start)


def _first_of(text: str, start: int, stops: str) -> int:
    found = [at for at in (text.find(stop, start) for stop in stops) if at >= 0]
    return min(found, default=len(text))


def _string_end(text: str, opened: re.Match[str]) -> int:
    if opened["long"]:
        close = text.find(opened["quote"] * 3, opened.end())
        return len(text) if close < 0 else close + 3
    outer = len(opened["slashes"])
    for run in re.compile(rf"(\\*){opened['quote']}").finditer(text, opened.end()):
        # More backslashes than the opening quote has: escaped, at this level or one above. A value
        # that ends with a backslash is taken for that too, and too much goes: the safe side.
        if len(run[1]) <= outer:
            return run.end()
    return len(text)


def _bare_end(text: str, start: int) -> int:
    """The end of a value that is not one string: a number, a word, a container, a call."""
    depth = 0
    at = start
    while found := _BARE.search(text, at):
        sign, at = found[0], found.end()
        if sign in "\"'":
            opened = _VALUE_START.match(text, found.start())
            if depth == 0:
                return found.start()
            at = _string_end(text, opened) if opened else at
        elif sign in "([{":
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
            if depth < 0:
                if at < len(text) and (text[at].isalnum() or text[at] == "_"):
                    depth = 0
                    continue
                return found.start()
        elif depth == 0 and (sign not in ",;" or at >= len(text) or text[at].isspace()):
            return found.start()
    return len(text)
