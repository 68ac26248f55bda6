"""Colours for values written as Python or JSON text."""

from __future__ import annotations

import re

from lazycelery.tui.presentation.line import Line, merge

_PART = re.compile(
    r"""(?P<key>(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?=\s*:))"""
    r"""|(?P<text>b?'(?:[^'\\]|\\.)*'?|b?"(?:[^"\\]|\\.)*"?)"""
    r"""|(?P<number>(?<![\w.])-?\d[\d_.]*(?:[eE][+-]?\d+)?)"""
    r"""|(?P<word>\b(?:None|True|False|null|true|false)\b)"""
)
TOKENS = {"key": "accent", "text": "ok", "number": "run", "word": "wait"}


def tinted(text: str, indent: str = "") -> Line:
    """A line of a value: keys, texts, numbers and constants have colours of their own."""
    spans = [(indent, "")]
    end = 0
    for found in _PART.finditer(text):
        spans.append((text[end : found.start()], ""))
        spans.append((found[0], TOKENS[found.lastgroup or "text"]))
        end = found.end()
    return merge([*spans, (text[end:], "")])
