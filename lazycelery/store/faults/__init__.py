"""Errors in groups: what a failure is, whichever ids, numbers and names stand in it.

A group is a pure function of a task's error and traceback, so that it has the same id in every process,
after every restart and over recorded history. Nothing is done as events arrive: the failures among the
tasks are read when somebody asks, each of them once.
"""
