"""What the data means: findings, error groups, statistics. Knows store and model; no room has moved in yet."""
