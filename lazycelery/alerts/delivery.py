"""The ways out: a command, an HTTP endpoint, a terminal. Each blocks for its timeout at most; none raises."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import lazycelery
from lazycelery.alerts import payload
from lazycelery.model.alert import AlertTarget
from lazycelery.model.text import clean

LONGEST_WAIT = 3600.0
"""Seconds of a Retry-After that are believed."""
HOPELESS = (400, 413, 422)
"""Answers that say that this very message will never be taken."""
HIDDEN = (
    *("LAZYCELERY_BROKER", "LAZYCELERY_BACKEND", "LAZYCELERY_BEAT", "LAZYCELERY_MANAGEMENT"),
    "LAZYCELERY_SENTINEL_PASSWORD",
    *("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"),
)
"""Variables that a command does not inherit: they hold credentials of the cluster."""


class Result(NamedTuple):
    """What became of one try."""

    problem: str = ""
    """Why it was not delivered, in words without a URL or a secret; empty when it was."""
    wait: float | None = None
    """Seconds after which the endpoint wants to be asked again."""
    hopeless: bool = False
    """This message will not be taken, whenever it comes."""


def deliver(target: AlertTarget, message: dict[str, Any]) -> Result:
    """Bring one message to its target."""
    if target.command:
        return _command(target, message)
    if target.terminal:
        return _terminal(target, message)
    return _post(target, message)


def place(target: AlertTarget) -> str:
    """Where a target is, without what may be secret in it."""
    if target.command:
        return f"command {clean(os.path.basename(target.command[0]), 60)}"
    if target.terminal:
        return f"terminal ({target.terminal})"
    url = urlsplit(target.webhook or target.slack)
    return f"{'webhook' if target.webhook else 'slack'} {url.scheme}://{url.hostname or ''}"


# ---- a command


def _command(target: AlertTarget, message: dict[str, Any]) -> Result:
    told = json.dumps(message).encode()
    environment = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    first = payload.leading(message["items"]) or {}
    for name, value in (
        ("PROFILE", message["profile"]),
        ("SEVERITY", message["severity"]),
        ("TEXT", message["text"]),
        ("COUNT", str(len(message["items"]))),
        ("ID", message["id"]),
        ("KIND", first.get("kind", "")),
        ("CODE", first.get("code", "")),
        ("SUBJECT", first.get("subject", "")),
    ):
        environment[f"LAZYCELERY_ALERT_{name}"] = value
    try:
        process = subprocess.Popen(
            target.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Result(
            f"the command cannot be started: {getattr(error, 'strerror', None) or type(error).__name__}"
        )
    try:
        process.communicate(told, timeout=target.timeout)
    except subprocess.TimeoutExpired:
        return Result(f"the command did not end within {target.timeout:g} s")
    except OSError:  # It ended without reading.
        process.wait()
    finally:
        _end(process)
    return Result() if process.returncode == 0 else Result(f"the command ended with {process.returncode}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing that the command began is left behind."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            if sys.platform != "win32":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


# ---- HTTP


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the message, and its Authorization, to somebody else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Followed by nobody: it is an error then."""
        return


def _post(target: AlertTarget, message: dict[str, Any]) -> Result:
    url = target.webhook or target.slack
    told = payload.slack(message) if target.slack else message
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"lazycelery/{lazycelery.__version__}",
        "Idempotency-Key": message["id"],
    }
    try:
        authorization = _authorization(target)
    except LookupError as missing:
        return Result(str(missing.args[0]))
    if authorization:
        headers["Authorization"] = authorization
    request = urllib.request.Request(url, json.dumps(told).encode(), headers, method="POST")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=target.timeout):
            return Result()
    except urllib.error.HTTPError as answer:
        with answer:
            return _answered(answer)
    except TimeoutError:
        return Result(f"no answer within {target.timeout:g} s")
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            return Result(f"no answer within {target.timeout:g} s")
        reason = getattr(error.reason, "strerror", None) or type(error.reason).__name__
        return Result(clean(f"it cannot be reached: {reason}", 200))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Result(f"it cannot be reached: {type(error).__name__}")


def _answered(answer: urllib.error.HTTPError) -> Result:
    code = answer.code
    if 300 <= code < 400:
        return Result(f"it answered {code}, a redirect, which is not followed: give the final URL")
    return Result(f"it answered {code}", _retry_after(answer.headers.get("Retry-After")), code in HOPELESS)


def _retry_after(text: str | None) -> float | None:
    """Seconds, or a date."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None


def _authorization(target: AlertTarget) -> str:
    """The header, from the environment or the keyring; a bare token is a bearer's. Raises `LookupError`."""
    if target.authorization_env:
        value = os.environ.get(target.authorization_env, "")
        where = f"${target.authorization_env}"
    elif target.authorization_keyring:
        value, where = _from_keyring(target.authorization_keyring), "the keyring's entry"
    else:
        return ""
    value = value.strip()
    if not value or not value.isprintable():
        raise LookupError(f"{where} holds no Authorization")
    return value if " " in value else f"Bearer {value}"


def _from_keyring(entry: str) -> str:
    service, _, user = entry.rpartition("/")
    try:
        keyring = importlib.import_module("keyring")
        return str(keyring.get_password(service, user) or "")
    except Exception as error:  # keyring's backends raise what they like; its text may hold anything
        raise LookupError(f"the keyring cannot be read ({type(error).__name__})") from None


# ---- a terminal


def _terminal(target: AlertTarget, message: dict[str, Any]) -> Result:
    stream = next((one for one in (sys.__stderr__, sys.__stdout__) if one is not None and one.isatty()), None)
    if stream is None:
        return Result()  # Nobody looks: there is nothing to be tried again.
    told = "\a" if target.terminal == "bell" else f"\x1b]9;{clean(message['text'], 200)}\x1b\\"
    try:
        stream.write(told)
        stream.flush()
    except (OSError, ValueError):
        return Result("the terminal has gone")
    return Result()
