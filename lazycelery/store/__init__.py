"""What we know: tasks in columns, workers, queues, the orders of lists and the filter language.

No I/O and no clock of its own: `now` and `at` are passed in, epoch seconds. numpy is imported here only.
"""
