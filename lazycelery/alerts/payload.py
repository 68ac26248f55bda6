"""What an alert says: cleaned, cut, without secrets. One form for programs, one for Slack, one for a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lazycelery.alerts.choice import Telling
from lazycelery.model.alert import TurnKind
from lazycelery.model.finding import Finding
from lazycelery.model.redaction import Redactor
from lazycelery.model.text import clean

VERSION = 1
LONG, SHORT = 500, 200
FACTS, NAMES = 12, 20
SLACK_LINES = 20
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_LINK = re.compile(r"(?<=\])(?=\()|(?<=[a-z]:)(?=//)|(?<=www)(?=\.)", re.I)
"""Where a link, or a picture that is fetched by who reads it, would be made of a stranger's text."""
_BREAK = "\u200b"
_WORDS: dict[TurnKind, str] = {"new": "", "worse": "worse: ", "back": "still: ", "recovered": "recovered: "}


def item(telling: Telling, id: str, at: float, redactor: Redactor) -> dict[str, Any]:
    """One finding of a message. Times are epoch seconds."""

    def text(value: str, limit: int = LONG) -> str:
        return clean(redactor.text(value), limit)

    finding = telling.finding
    return {
        "id": id,
        "kind": telling.kind,
        "case": telling.case,
        "at": at,
        "code": finding.code,
        "severity": finding.severity,
        "title": text(finding.title),
        "subject": text(finding.subject, SHORT),
        "subject_kind": finding.kind,
        "since": finding.since,
        "evidence": [
            {
                "text": text(fact.text),
                "value": text(fact.value, SHORT) if isinstance(fact.value, str) else fact.value,
                "source": fact.source,
            }
            for fact in finding.evidence[:FACTS]
        ],
        "fix": text(finding.fix, 2 * LONG),
        "related": [text(name, SHORT) for name in finding.related[:NAMES]],
        "related_count": len(finding.related) + finding.beyond,
        "page": finding.page,
    }


def message(
    id: str, profile: str, broker: str, items: Sequence[dict[str, Any]], dropped: int
) -> dict[str, Any]:
    """A whole message: the worst of its items leads. `broker` is without credentials."""
    worst = leading(items)
    alarm = worst is not None and worst["kind"] != "recovered"
    return {
        "version": VERSION,
        "id": id,
        "profile": clean(profile, SHORT),
        "broker": clean(broker, SHORT),
        "severity": worst["severity"] if worst is not None and alarm else "info",
        "text": summary(profile, items, dropped),
        "dropped": dropped,
        "items": list(items),
    }


def leading(items: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The worst of some items, the first of equals, what has recovered last; `None` where there is none."""
    order = ("critical", "warning", "info")
    return min(
        items, key=lambda one: (one["kind"] == "recovered", order.index(one["severity"])), default=None
    )


def summary(profile: str, items: Sequence[dict[str, Any]], dropped: int) -> str:
    """One line for a person."""
    worst = leading(items)
    first = "" if worst is None else line(worst)
    more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
    lost = f" ({dropped} older alerts were dropped: the outbox was full)" if dropped else ""
    return clean(f"[{profile}] {first}{more}{lost}", LONG)


def line(one: dict[str, Any]) -> str:
    """One item in one line."""
    level = "" if one["kind"] == "recovered" else f"{one['severity'].upper()} "
    return f"{_WORDS.get(one['kind'], '')}{level}{one['code']}: {one['title']}"


def slack(whole: dict[str, Any]) -> dict[str, Any]:
    """The same for Slack and what takes its form, `{"text": …}`; the characters it reads are escaped."""
    items = whole["items"]
    lines = [f"*{_escaped(whole['profile'])}*"]
    for one in items[:SLACK_LINES]:
        lines.append(f"• {_escaped(line(one))}")
        if one["fix"] and one["kind"] != "recovered":
            lines.append(f"   {_escaped(one['fix'])}")
    if len(items) > SLACK_LINES:
        lines.append(f"and {len(items) - SLACK_LINES} more")
    if whole["dropped"]:
        lines.append(f"{whole['dropped']} older alerts were dropped: the outbox was full.")
    return {"text": "\n".join(lines)}


def _escaped(text: str) -> str:
    text = _LINK.sub(_BREAK, text)
    text = _MENTION.sub(f"@{_BREAK}", text)  # Mattermost, Discord and others read `@channel` as it is.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def example(profile: str) -> Telling:
    """What `lazycelery alerts test` sends."""
    finding = Finding(
        code="test",
        severity="info",
        title=f"This is a test of alerts for {profile}; nothing is wrong.",
        fix="Nothing is to be done.",
    )
    return Telling(kind="new", case="test", finding=finding)
