"""What an engineer on call is asked, and how many keys the answer takes.

Tests walk these on live fleets; `python -m tests.scenario.stories > docs/stories.md` tells them to people.
A key may be pressed only when the screen names it at that moment.
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple


class Key(NamedTuple):
    """A key, what the screen says of it before it is pressed, and what it is pressed for."""

    key: str
    named: str
    what: str


class Answer(NamedTuple):
    """A part of the answer: what the docs show of it, and the pattern that the live screen must match."""

    part: str
    """What is stuck, where, or why."""
    sample: str
    pattern: str


class Story(NamedTuple):
    """One call."""

    name: str
    title: str
    trouble: str
    keys: tuple[Key, ...]
    """To the whole answer. Their number is what the test holds the screen to."""
    answers: tuple[Answer, ...]
    cure: tuple[Key, ...] = ()
    proof: Answer | None = None
    advice: str = ""
    """What helps where no key does, or beside it."""


UNLOCK = (Key("W", "W unlock", "unlock"), Key("y", "y/N", "yes"))
STORIES = (
    Story(
        "backlog",
        "A queue grows",
        "Orders are late. Forty messages wait in `celery`, and the only worker takes none of them.",
        (Key("2", "2 Queues", "go to the queues"),),
        (
            Answer("what", "40 messages wait in celery, 4.3 more each second", r"40 messages wait in celery"),
            Answer("where", "all slots of w1@test", r"all slots of w1@test"),
            Answer(
                "why",
                "run 2 × shop.wait_for, none free for 14s",
                r"run 2 × shop\.wait_for, none free for \d+s",
            ),
        ),
        advice="Start another worker, grow this one (`1`, `P`), or end what fills its slots: `1`, "
        "`⏎`, and `X` on the task that runs.",
    ),
    Story(
        "failing",
        "A task fails",
        "Payments fail now and then, among many that succeed.",
        (
            Key("3", "3 Tasks", "go to the tasks"),
            Key("f", "f faults", "those that failed"),
            Key("\r", "⏎ open", "the whole page"),
        ),
        (
            Answer("what", "shop.until_file 9f3c21ab", r"shop\.until_file [0-9a-f-]{8,}"),
            Answer("where", "Failed on w1@test after 8ms", r"Failed on w1@test after [\d.]+m?s"),
            Answer("why", "FileNotFoundError('no gateway yet')", r"FileNotFoundError\('no .{1,200} yet'\)"),
            Answer("line", 'tasks.py", line 48, in until_file', r'tasks\.py", line \d+, in until_file'),
        ),
        (*UNLOCK, Key("r", "r retry", "run it again"), Key("y", "y/N", "yes")),
        Answer(
            "proof",
            "new task 5b1e0c2a…: succeeded on w1@test",
            r"new task [0-9a-f]{8}…: succeeded on w1@test",
        ),
    ),
    Story(
        "lost",
        "A worker is lost",
        "A machine died while its worker had four tasks, two of them running.",
        (
            Key("4", "4 Findings", "go to the findings"),
            Key("\r", "⏎ open", "to the worker"),
            Key("\r", "⏎ open", "to the tasks it had"),
        ),
        (
            Answer("what", "w1@test: lost 17s ago", r"w1@test( is|:) lost"),
            Answer("where", "Orphaned: w1@test is gone", r"(Orphaned:|Held by) w1@test,? (is|which is) gone"),
            Answer(
                "why",
                "its message comes back to celery in about 59m58s",
                r"its message comes back to celery in about \d+m|RabbitMQ gives its message to another",
            ),
        ),
        advice="Half a minute later those that ran are marked as lost (`✗`), where the broker does not hold "
        "their messages any more: `r` runs them again. RabbitMQ gives the "
        "messages of a lost worker to another one at once.",
    ),
    Story(
        "chain",
        "A chain is stuck",
        "Step one of a chain is done, step two does not begin.",
        (Key("3", "3 Tasks", "go to the tasks"), Key("F", "F family", "what the task belongs to")),
        (
            Answer(
                "what",
                "1 of 2 known tasks succeeded. shop.add 65c45631",
                r"1 of 2 known tasks succeeded\. shop\.add \w{8}",
            ),
            Answer(
                "where",
                "Reserved on w2@test for 13s, not started",
                r"Reserved on w2@test for \d+s, not started",
            ),
            Answer("why", "its only slot runs 1 × shop.wait_for", r"its only slot runs 1 × shop\.wait_for"),
        ),
        advice="The worker that holds it is busy: end what runs there (`X`), or start another worker on that "
        "queue with a prefetch of one.",
    ),
    Story(
        "name",
        "A queue has a wrong name",
        "Mails are not sent since the last deploy. Nothing failed.",
        (Key("4", "4 Findings", "go to the findings"),),
        (
            Answer("what", "7 messages in celrey", r"7 messages in celrey"),
            Answer("where", "nobody consumes it", r"nobody consumes it"),
            Answer("why", "Did you mean celery?", r"Did you mean celery\?"),
        ),
        (
            Key("\r", "⏎ open", "to the queue"),
            *UNLOCK,
            Key("O", "O move", "move its messages"),
            Key("\t", "celery 0 wait", "take the queue that was meant"),
            Key("\r", "to (QUEUE [FILTER]): celery", "move them there"),
            Key("y", "y/N", "yes"),
        ),
        Answer("proof", "moved 7 of 7 messages of celrey", r"moved 7 of 7 messages of celrey"),
        advice="Then correct the name where it is sent. `v` on the queue looks at its messages.",
    ),
)


def document() -> str:
    """docs/stories.md."""
    counts = [f"| {one.title} | {len(one.keys)} | {len(one.cure) or '–'} |" for one in STORIES]
    table = ["| call | keys to the answer | from there to the cure |", "|---|---|---|", *counts, ""]
    return "\n".join([PREFACE, *table, *(_told(story) for story in STORIES)])


PREFACE = """# Five calls at night

What the screen says when something is stuck, and the keys to it. Each key stands on the screen before it is
pressed: in the title of a list, or in the last line. Tests walk these five on real workers, on Redis and on
RabbitMQ, at 80x24 and 160x48, and hold the screen to these keys and their numbers.
"""


def _told(story: Story) -> str:
    lines = [f"## {story.title}", "", story.trouble, "", "| key | |", "|---|---|"]
    lines += [f"| `{_shown(key.key)}` | {key.what} |" for key in story.keys]
    lines += ["", "The screen says, on the way or at its end:", ""]
    lines += [f"> {answer.sample}  " for answer in story.answers]
    if story.cure:
        steps = ", ".join(f"`{_shown(key.key)}` ({key.what})" for key in story.cure)
        proof = f" The proof stands in the last line: {story.proof.sample}." if story.proof else ""
        lines += ["", f"The cure: {steps}.{proof}"]
    if story.advice:
        lines += ["", story.advice]
    return "\n".join([*lines, ""])


def _shown(key: str) -> str:
    return {"\r": "⏎", "\t": "tab"}.get(key, key)


FRAME = str.maketrans(dict.fromkeys("│┃╭╮╰╯─", " "))


def plain(text: str) -> str:
    """What a screen says, as sentences: the lines of each column joined, without frames."""
    lines = text.splitlines()
    edge = next((at for line in lines if (at := line.find("╭", 1)) > 0), 0)
    sides = [line[:edge] for line in lines], [line[edge:] for line in lines], lines
    return re.sub(r"\s+", " ", "\n".join(" ".join(side) for side in sides).translate(FRAME))


if __name__ == "__main__":
    sys.stdout.write(document())
