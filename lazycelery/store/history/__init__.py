"""What was seen, on disk: SQLite files, one a day, in one directory a cluster.

One engine writes (`recording`, `writer`), from a thread of its own; any number read (`reader`, `search`).
Everything in them is redacted before it is written, and each file is for its owner alone.
"""
