"""Plain data: the nouns of Celery and what may be said of them.

No I/O, no clock, no colour. `states` knows which state a task may be in, `event`, `reports` and
`message` are what sources say, `task`, `worker`, `queue` and `cluster` what we make of it, `action`
the nouns of safe mutation, `text` and `redaction` what every text passes before a person sees it.
"""
