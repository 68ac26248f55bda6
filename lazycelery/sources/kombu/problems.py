"""What went wrong with one of Kombu's transports, in plain words with a cure."""

from __future__ import annotations

import socket

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.faces import by_face
from lazycelery.model.redaction import Redactor
from lazycelery.sources.kombu.address import Address

LONGEST = 200


def explain(error: BaseException, address: Address) -> LazyCeleryError:
    """The problem behind an exception of Kombu or of a driver."""
    if isinstance(error, LazyCeleryError):
        return error
    transport, place = address.transport, address.label
    if isinstance(error, ImportError):
        return missing_driver(address)
    if isinstance(error, FileNotFoundError):
        return ConnectionProblem(
            f"There is no folder {error.filename}.",
            "Give the folders of the application's broker_transport_options.",
        )
    if isinstance(error, PermissionError):
        return ConnectionProblem(
            f"{error.filename or place} may not be read and written.",
            "Run it as the workers' user, or as one of its group.",
        )
    if isinstance(error, socket.gaierror):
        return ConnectionProblem(f"No host of this name: {place}.", "Check the spelling, DNS and VPN.")
    if isinstance(error, ConnectionRefusedError):
        return ConnectionProblem(
            f"Nothing listens at {place}: connection refused.",
            "Is the broker running, and is the port right?",
        )
    said = " ".join(Redactor().text(str(error)).split())[:LONGEST].rstrip(".")
    return ConnectionProblem(
        f"{transport.title} at {place} cannot be used: {type(error).__name__}{f': {said}' if said else ''}.",
        "Check the URL, credentials, network, and transport_options of the profile.",
    )


def missing_driver(address: Address) -> ConnectionProblem:
    """The package that Kombu needs for this transport is not there."""
    transport = address.transport
    if not transport.needs:
        return ConnectionProblem(f"{transport.title} cannot be loaded here.", "It needs pywin32 on Windows.")
    packages = " ".join(f"'{each}'" if "[" in each else each for each in transport.needs.split())
    return ConnectionProblem(
        f"{transport.title} needs a package that is not installed: {', '.join(transport.modules)}.",
        f"pip install {packages}, into the environment of lazycelery.",
    )


def silent(address: Address) -> ConnectionProblem:
    """No answer in time."""
    return ConnectionProblem(
        f"{address.transport.title} at {address.label} does not answer in time.",
        "Check the address, VPN and firewall, or give it longer"
        + by_face(" with --timeout SECONDS.", " (timeout in the profile)."),
    )
