"""Redis, Valkey and their Sentinels, with bare redis-py."""
