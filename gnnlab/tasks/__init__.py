"""Tasks: the loss and the metric that follow from a dataset's `GraphSpec`."""

from gnnlab.tasks.task import Task, make_task

__all__ = ["Task", "make_task"]
