"""What a transport lacks, said to people: one sentence for the screen, one for each thing that is tried."""

from __future__ import annotations

from lazycelery.model.faces import by_face
from lazycelery.sources.capabilities import Counts, Looks, Purges, Searches
from lazycelery.sources.kombu.transports import Transport
from lazycelery.sources.protocols.queues import SomeQueueOps
from lazycelery.sources.protocols.sifting import Sifting


def notes(transport: Transport, queues: SomeQueueOps) -> list[str]:
    """What a person should know, for the screen and `lazycelery status`."""
    told = []
    if transport.silent:
        what = (
            "queues and their waiting messages only"
            if isinstance(queues, Looks)
            else "queue depths only"
            if isinstance(queues, Counts)
            else "tasks can be sent, and nothing is seen"
        )
        told.append(f"{transport.title} {transport.silent}: no events, no remote control; {what}.")
    told += [text for text in (transport.uncounted, transport.note) if text]
    return told


def lacks(transport: Transport, queues: SomeQueueOps) -> dict[str, str]:
    """Why something is not there: `events`, `control`, or an operation on queues."""
    title, found = transport.title, dict[str, str]()
    name = title[:1].lower() + title[1:] if title.startswith("The ") else title
    if transport.silent:
        found["events"] = f"{title} {transport.silent}: no task events and no heartbeats are seen."
        found["control"] = f"{title} {transport.silent}: workers cannot be asked or told anything."
    if not isinstance(queues, Counts):
        found["probe"] = transport.uncounted
    if not isinstance(queues, Looks):
        found["peek"] = f"Through {name} a message is only seen by taking it away from the workers."
    if not isinstance(queues, Searches):
        found["find"] = f"Messages of {name} cannot be searched."
    if not isinstance(queues, Purges):
        found["purge"] = (
            f"Through {name} messages cannot be saved before they are removed: nothing is purged."
        )
    if isinstance(queues, Purges) and not isinstance(queues, Sifting):
        found["shift"] = (
            f"Of {name} only whole queues are saved and taken, by a purge; "
            + by_face("`lazycelery peek`", ":peek")
            + " shows messages."
        )
    elif not isinstance(queues, Sifting):
        found["shift"] = f"Through {name} messages cannot be saved before they are taken: none is taken."
    return found
