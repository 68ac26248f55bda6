"""What went wrong with a socket, in plain words with a cure: the same for every broker."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

from lazycelery.errors import ConnectionProblem
from lazycelery.model.faces import by_face


def explain_network(error: BaseException, place: str) -> ConnectionProblem | None:
    """The problem behind a socket's error; `None` for what only the transport can put in words.

    `place`: hosts and ports, as a person knows them, without credentials."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionProblem(
            f"The TLS certificate of {place} is not trusted: {error.verify_message}.",
            "Give its authority with tls_ca, or accept any with tls_verify = false.",
        )
    if isinstance(error, ssl.SSLError):
        return ConnectionProblem(
            f"TLS with {place} failed: {error.reason or 'handshake broken'}.",
            "Check tls_ca, tls_cert and tls_key, and that the port speaks TLS.",
        )
    if isinstance(error, socket.gaierror):
        return ConnectionProblem(f"No host of this name: {place}.", "Check the spelling, DNS and VPN.")
    if isinstance(error, ConnectionRefusedError) or _one_refused(error):
        return ConnectionProblem(
            f"Nothing listens at {place}: connection refused.",
            "Is the broker running, and is the port right?",
        )
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return ConnectionProblem(
            f"{place} did not answer in time.",
            "Check the address, firewall and VPN, or give it longer"
            + by_face(" with --timeout.", " (timeout in the profile)."),
        )
    return None


def _one_refused(error: BaseException) -> bool:
    """Of a host with several addresses: asyncio tells all their errors as one."""
    return isinstance(error, OSError) and f"[Errno {errno.ECONNREFUSED}]" in str(error)
