"""Makes the pictures of the docs from the real program: `python docs/pictures/make.py [NAME…]`.

Each picture is `lazycelery demo` in a pseudo-terminal, played with real keys, as a terminal shows it.
Needs the extra `test`. Nothing in a picture is drawn by hand, and none fetches a font.
"""

from __future__ import annotations

import codecs
import fcntl
import io
import itertools
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import NamedTuple

import pyte
from rich.color import Color, ColorParseError
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Picture(NamedTuple):
    """What is typed before the picture is taken; a number is a pause in seconds."""

    columns: int
    lines: int
    script: tuple[str | float, ...]


PICTURES: dict[str, Picture] = {
    "dashboard": Picture(124, 34, (50.0, "3", 0.7, "f", 1.0, "G", 1.0, "k", 2.0)),
}

ASKED_BY_PROGRAM = re.compile(
    r"\x1b\[\?\d+\$p|\x1b\[[<>=]\d*(?:;\d+)*u|\x1b\[>\d*(?:;\d+)*[mq]|\x1bP.*?\x1b\\", re.S
)
"""Questions to modern terminals, which pyte would print."""

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
                **{"HOME": home, "XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home},
            },
        )
        os.close(program)

    def watch(self, seconds: float) -> None:
        """Let it run, and keep the screen up to date."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                self._stream.feed(ASKED_BY_PROGRAM.sub("", self._decode(os.read(self._fd, 65536))))

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


def take(picture: Picture) -> pyte.Screen:
    """Play a picture's script and return the screen at its end."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "lazycelery", "demo", "--seed", "4"]
        terminal = Terminal(command, picture.columns, picture.lines, home)
        try:
            for part in picture.script:
                if isinstance(part, str):
                    terminal.type(part)
                else:
                    terminal.watch(part)
            return terminal.screen
        finally:
            terminal.end()


def svg(screen: pyte.Screen) -> str:
    """The screen as a picture."""
    console = Console(
        width=screen.columns, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for y in range(screen.lines):
        line = Text(no_wrap=True, end="")
        cells = [screen.buffer[y][x] for x in range(screen.columns)]
        for style, run in itertools.groupby(cells, _style):
            line.append("".join(cell.data for cell in run), style)
        console.print(line, end="\n" if y + 1 < screen.lines else "", crop=False, overflow="ignore")
    drawn = console.export_svg(title="lazycelery demo", theme=MONOKAI, code_format=FORMAT, unique_id="screen")
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
    for name in sys.argv[1:] or PICTURES:
        screen = take(PICTURES[name])
        print("\n".join(screen.display))
        (HERE / f"{name}.svg").write_text(svg(screen), encoding="utf-8")


if __name__ == "__main__":
    main()
