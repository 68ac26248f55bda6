"""TLS as a broker's URL and the profile want it."""

from __future__ import annotations

import ssl

import msgspec

from lazycelery.errors import UsageError


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """How to speak TLS."""

    verify: bool = True
    check_hostname: bool = True
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Certificates are checked unless the address says otherwise. Raises `UsageError` for bad files."""
    context = ssl.create_default_context()
    context.check_hostname = tls.check_hostname
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    try:
        if tls.ca:
            context.load_verify_locations(cafile=tls.ca)
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError):
        raise UsageError(
            "A TLS file cannot be read.", "tls_ca, tls_cert and tls_key name readable PEM files."
        ) from None
    return context
