"""The engine process: speaks the protocol on standard input and output until the face is gone."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import signal
from pathlib import Path

import platformdirs

from lazycelery.engine.server import Server
from lazycelery.engine.tidying import Tidying
from lazycelery.model.faces import speak_to
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.signals import on_signal

LOG_BYTES = 1_000_000


class RedactingFormatter(logging.Formatter):
    """No line of the log carries a credential, whatever an exception says."""

    redactor = Redactor()

    def format(self, record: logging.LogRecord) -> str:
        """The line, redacted."""
        return self.redactor.text(super().format(record))


def open_log() -> None:
    """Log warnings and bugs to `engine.log` in the state directory; without one, to nowhere."""
    directory = Path(platformdirs.user_state_dir("lazycelery"))
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(
            directory / "engine.log", maxBytes=LOG_BYTES, backupCount=1, delay=True
        )
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(process)d %(name)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _redact_as_profiled(profile: Profile) -> None:
    RedactingFormatter.redactor = Redactor(profile.redact)


async def serve() -> None:
    """Serve one face on the standard streams."""
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Nothing else may write into the protocol.
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 0)
    os.dup2(quiet, 1)
    server = Server(reader, writer, _redact_as_profiled)
    tidying = Tidying()
    tidying.begin()
    on_signal("SIGTERM", lambda _: server.done.set())
    await server.run()


def main() -> None:
    """Run until the face closes its end of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    open_log()
    speak_to("screen")
    asyncio.run(serve())
    # Reading threads may still wait on a pipe; nothing is left to save.
    os._exit(0)


if __name__ == "__main__":
    main()
