"""Real parts for tests: brokers and workers on private ports, stopped by process id."""
