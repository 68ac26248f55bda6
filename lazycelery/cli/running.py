"""Running a command: exit codes, errors for people and programs, closed pipes, Ctrl-C."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

import click

from lazycelery.cli.root import PipeClosed, root
from lazycelery.errors import LazyCeleryError, UsageError

INTERRUPTED = 130


def run(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code. Nothing but `SystemExit` of completion leaves it."""
    args = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        _never_fail_to_encode(stream)
    try:
        code = root.main(args, prog_name="lazycelery", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, PipeClosed):
        _close_stdout()
        return 0
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.ClickException as error:
        return _tell(_from_click(error), args)
    except LazyCeleryError as error:
        return _tell(error, args)
    except Exception as error:  # the last resort: one line, no traceback that could hold a credential
        return _tell(_unexpected(error, "--debug" in args), args)
    return code if isinstance(code, int) else 0


def _never_fail_to_encode(stream: TextIO) -> None:
    with suppress(AttributeError, ValueError):
        stream.reconfigure(errors="replace")  # type: ignore[attr-defined]


def _close_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not fail as well."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _from_click(error: click.ClickException) -> LazyCeleryError:
    from lazycelery.model.redaction import Redactor

    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context and isinstance(context.command, click.Group):
        # its message is the whole help
        names = ", ".join(context.command.list_commands(context))
        error = click.UsageError(f"{context.command_path} needs a command: {names}.", context)
    # click repeats what was typed, and that may be a broker URL in the wrong place
    message = Redactor().text(error.format_message())
    message += "" if message.endswith((".", "?")) else "."
    return UsageError(message, f"See {context.command_path} --help." if context else "See lazycelery --help.")


def _unexpected(error: Exception, debug: bool) -> LazyCeleryError:
    from lazycelery.cli.mishap import describe

    return describe(error, debug)


def _tell(error: LazyCeleryError, args: Sequence[str]) -> int:
    from lazycelery.cli.output import tell_error

    with suppress(BrokenPipeError):
        tell_error(error, as_json="--json" in args, no_color="--no-color" in args)
    return error.exit_code
