"""Makes the pictures of the docs from the real program: `python docs/pictures/make.py [dark] [light]`.

Each theme is one `lazycelery demo` in a pseudo-terminal, played with real keys; a picture is what the
terminal shows at that moment.
Needs the extra `test`. Nothing in a picture is drawn by hand, and none fetches a font.
"""

from __future__ import annotations

import codecs
import fcntl
import getpass
import io
import itertools
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyte
from rich.color import Color, ColorParseError
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ME = f"{getpass.getuser()}@{socket.gethostname()}"
STANDS_FOR = {
    str(ROOT): "/home/shop/lazycelery".ljust(len(str(ROOT)), "/")[: len(str(ROOT))],
    ME: "ada@ops".ljust(len(ME))[: len(ME)],
}
"""What stands for where, and by whom, this was made: in as many cells."""


class Picture(NamedTuple):
    """Its name, and what is typed for it; a number is a pause in seconds."""

    name: str
    script: tuple[str | float, ...]


COLUMNS, LINES = 124, 34
BEGIN = {"dark": (50.0,), "light": (50.0, "T", 0.5)}
ESC = "\x1b"
BACK = (ESC, 0.4, ESC, 0.4, ESC, 0.4)
TASK = ("3", 0.5, "f", 1.0, "G", 1.0, "k", 1.0)
FOUND = (*BACK, "3", 0.5, "/name:shop.best*", 1.0, "\r", 1.5)
PICTURES = (
    Picture("dashboard", (*TASK, 1.0)),
    Picture("menu", (" ", 1.0)),
    Picture("task", (ESC, 0.4, "\r", 2.0)),
    Picture("error", ("]", 0.3, "]", 1.5)),
    Picture("timeline", ("]", 1.5)),
    Picture("events", ("]", 0.3, "]", 1.5)),
    Picture("sources", ("]", 0.3, "]", 1.5)),
    Picture("family", (*FOUND, "\r", 0.5, "]", 0.3, "]", 0.3, "]", 0.3, "]", 0.3, "]", 2.0)),
    Picture("tasks", (*BACK, "3", 0.5, "z", 1.5)),
    Picture("worker", ("z", 0.5, "1", 0.5, "j", 2.5)),
    Picture("queue", ("2", 0.5, "G", 1.5)),
    Picture("messages", ("v", 2.5)),
    Picture("findings", ("4", 1.5)),
    Picture("live", ("L", 2.5)),
    Picture("metrics", ("i", 2.5)),
    Picture("audit", (*BACK, "W", 1.0, "y", 1.5, *TASK, "r", 2.0, "y", 3.0, "A", 2.0)),
    Picture("help", (*BACK, "3", 0.5, "?", 1.0)),
)
"""In this order, in one session."""

ASKED_BY_PROGRAM = re.compile(
    r"\x1b\[\?\d+\$p|\x1b\[[<>=]\d*(?:;\d+)*u|\x1b\[>\d*(?:;\d+)*[mq]|\x1bP.*?\x1b\\", re.S
)
"""Questions to modern terminals, which pyte would print."""

FRAMES = {"dark": MONOKAI, "light": DEFAULT_TERMINAL_THEME}
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.S).replace(
    "font-family: Fira Code, monospace",
    'font-family: "DejaVu Sans Mono", ui-monospace, Menlo, Consolas, monospace',
)
"""Rich's own frame, without the fonts that it would fetch."""


class Terminal:
    """A program in a pseudo-terminal, and its screen."""

    def __init__(self, command: list[str], columns: int, lines: int, home: str) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self.screen)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._fd, program = pty.openpty()
        fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._process = subprocess.Popen(
            command,
            stdin=program,
            stdout=program,
            stderr=program,
            start_new_session=True,
            env={
                **os.environ,
                **{"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"},
                **{
                    "USER": "ada",
                    "LOGNAME": "ada",
                    "HOME": home,
                    "XDG_CONFIG_HOME": home,
                    "XDG_STATE_HOME": home,
                },
            },
        )
        os.close(program)

    def watch(self, seconds: float) -> None:
        """Let it run, and keep the screen up to date."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                self._stream.feed(ASKED_BY_PROGRAM.sub("", self._decode(os.read(self._fd, 65536))))

    def play(self, script: Iterable[str | float]) -> None:
        """Type and wait."""
        for part in script:
            if isinstance(part, str):
                self.type(part)
            else:
                self.watch(part)

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def end(self) -> None:
        """Quit as a person does; what does not quit is killed."""
        self.type("q")
        try:
            self.watch(1.0)
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait(5)
        os.close(self._fd)


def take(theme: str) -> Iterator[tuple[str, pyte.Screen]]:
    """Play the session; gives each picture's name and the screen at its moment."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "lazycelery", "demo", "--seed", "4"]
        terminal = Terminal(command, COLUMNS, LINES, home)
        try:
            terminal.play(BEGIN[theme])
            for picture in PICTURES:
                terminal.play(picture.script)
                yield picture.name, terminal.screen
            terminal.play(BACK)
        finally:
            terminal.end()


def svg(screen: pyte.Screen, theme: str) -> str:
    """The screen as a picture."""
    console = Console(
        width=screen.columns, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for y in range(screen.lines):
        line = Text(no_wrap=True, end="")
        cells = [screen.buffer[y][x] for x in range(screen.columns)]
        for style, run in itertools.groupby(cells, _style):
            line.append("".join(cell.data for cell in run), style)
        for made, shown in STANDS_FOR.items():
            line.plain = line.plain.replace(made, shown)
        console.print(line, end="\n" if y + 1 < screen.lines else "", crop=False, overflow="ignore")
    drawn = console.export_svg(
        title="lazycelery demo", theme=FRAMES[theme], code_format=FORMAT, unique_id="screen"
    )
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"


def _style(cell: pyte.screens.Char) -> Style:
    return Style(
        color=_color(cell.fg),
        bgcolor=_color(cell.bg),
        bold=cell.bold,
        italic=cell.italics,
        underline=cell.underscore,
        reverse=cell.reverse,
    )


def _color(name: str) -> Color | None:
    if name == "default":
        return None
    try:
        return Color.parse(
            f"#{name}" if re.fullmatch("[0-9a-f]{6}", name) else name.replace("brown", "yellow")
        )
    except ColorParseError:
        return None


def main() -> None:
    for theme in sys.argv[1:] or BEGIN:
        for name, screen in take(theme):
            print("\n".join(screen.display))
            file = f"{name}.svg" if theme == "dark" else f"{name}-{theme}.svg"
            (HERE / file).write_text(svg(screen, theme), encoding="utf-8")


if __name__ == "__main__":
    main()
