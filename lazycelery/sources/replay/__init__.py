"""Recordings: what the sources said, in a file, and a broker that says it again."""
