"""Long work in the background: a queue that survives restarts, and a row per job that tells how far it is.

The queue is huey's: a SQLite file in the instance, or Redis where TRUEHUE_REDIS names one. `flask --app study work` is
the process that does the work; the server only puts jobs into the queue.
"""

from study.jobs.errors import JobError
from study.jobs.queue import enqueue, list_jobs, make_consumer, read_job
from study.jobs.work import KINDS

__all__ = ["KINDS", "JobError", "enqueue", "list_jobs", "make_consumer", "read_job"]
