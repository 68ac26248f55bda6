"""What the data means: findings, error groups, statistics. No room has moved in yet."""
