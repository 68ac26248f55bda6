"""Encrypted, but with whom? A certificate is not checked."""

from __future__ import annotations

from typing import Any

from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding

TLS = ("rediss://", "sentinels://", "amqps://")


def check(seen: Snapshot) -> list[Finding]:
    """One finding for our own connection and the workers' together."""
    evidence = []
    if seen.tls_unverified:
        evidence.append(fact("this monitor does not check the broker's certificate", "monitor"))
    careless = [facts for facts in seen.alive if _careless(facts.conf or {})]
    if careless:
        names = listed([short(facts.name) for facts in careless])
        evidence.append(
            fact(
                f"{count(len(careless), 'worker', does='name')} no ssl_cert_reqs: {names}",
                "control",
                len(careless),
            )
        )
    if not evidence:
        return []
    return [
        Finding(
            code="tls-unverified",
            severity="warning" if careless else "info",
            title="The broker's TLS certificate is not checked.",
            kind="worker" if careless else "cluster",
            subject=careless[0].name if careless else "",
            related=[facts.name for facts in careless[1:]],
            evidence=evidence,
            fix="In the app: broker_use_ssl = {'ssl_cert_reqs': ssl.CERT_REQUIRED, 'ssl_ca_certs': …}, or "
            "?ssl_cert_reqs=required in the URL."
            if careless
            else "Take tls_verify = false out of the profile and name the authority with tls_ca.",
        )
    ]


def _careless(conf: dict[str, Any]) -> bool:
    """Celery checks nothing for `rediss://` without options, and says so only in a log."""
    url = conf.get("broker_url")
    if not isinstance(url, str) or not url.startswith(TLS):
        return False
    told = str(conf.get("broker_use_ssl") or "") + url
    return "cert_reqs" not in told or "CERT_NONE" in told.upper() or "=none" in told.lower()


MODE = Mode("tls-unverified", check)
