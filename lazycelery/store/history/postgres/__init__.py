"""The history of a team: one schema of a PostgreSQL database a cluster, written by several recorders at once.

The rows are those of the files, under identities that every recorder knows by itself: a task is its id, an
event its task, type, worker and both of its clocks' readings. What two recorders write is there once.
"""
