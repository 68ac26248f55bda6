"""Alerts: what is told to whom, kept on disk until it was delivered. Knows no cluster, only findings."""
