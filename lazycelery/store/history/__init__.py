"""What was seen, kept for later: behind one `Storage`, whichever it is.

On one machine SQLite files, one a day, in one directory a cluster (`local`): one engine writes (`writer`),
from a thread of its own; any number read (`reader`, `search`). Everything is redacted before it is written,
and each file is for its owner alone.
"""
