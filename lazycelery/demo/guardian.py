"""Ends the demo's process group when the demo itself is gone, however it went.

Run by path with the bare interpreter, as leader of the group: `guardian.py DIRECTORY GRACE`. Its
standard input is a pipe that only the demo holds open; a process that is killed closes its pipes.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time


def wait_for_end_of_input() -> None:
    """Return when nobody holds the other end of standard input any more."""
    while os.read(0, 512):
        pass


def main() -> None:
    """Wait, ask politely for GRACE seconds, then end everything, this process included."""
    directory, grace = sys.argv[1], float(sys.argv[2])
    for polite in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(polite, signal.SIG_IGN)
    wait_for_end_of_input()
    if grace:
        os.killpg(0, signal.SIGTERM)
        time.sleep(grace)
    shutil.rmtree(directory, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
