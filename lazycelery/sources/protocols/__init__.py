"""What a transport, a result backend or a scheduler can do, one Protocol a capability.

A capability that a transport lacks is a Protocol that it does not implement. Every method that waits
is a coroutine, may be cancelled, and raises only `LazyCeleryError` for what the outside did wrong.
"""
