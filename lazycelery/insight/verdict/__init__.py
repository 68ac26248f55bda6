"""Where a task, queue or worker is, and why it is not done: one sentence each, and the facts behind it."""

from lazycelery.insight.verdict.queue import of_queue
from lazycelery.insight.verdict.task import of_task
from lazycelery.insight.verdict.worker import of_worker

__all__ = ["of_queue", "of_task", "of_worker"]
