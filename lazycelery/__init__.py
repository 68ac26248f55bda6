"""LazyCelery: the terminal control room for Celery."""

__version__ = "0.1.0"
