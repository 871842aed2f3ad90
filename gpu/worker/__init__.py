"""The GPU worker: a Celery worker on the queue `gpu` whose tasks only ring, and one thread that does the work.

The work is a thread's and not a task's so that nothing depends on the broker: it looks for work by itself, and a run
goes on while Redis is away. Start it with `celery -A config.celery worker -Q gpu --pool=threads --concurrency=1`.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import shared_task
from celery.signals import celeryd_after_setup, worker_shutdown, worker_shutting_down

from gpu.worker.runner import Runner

log = structlog.get_logger(__name__)

QUEUE = "gpu"

_runner: Runner | None = None


@shared_task(name="gpu.worker.work")  # type: ignore[untyped-decorator]
def work() -> None:
    """The doorbell: there is work."""
    if _runner is None:
        log.warning("doorbell_in_the_wrong_house", say="this worker hears the queue `gpu` but owns no engine")
        return
    _runner.hear()


@celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def begin(instance: Any, **_: Any) -> None:
    """Before the broker is asked for, so that a worker that starts without Redis works as well."""
    global _runner
    if QUEUE in instance.app.amqp.queues.consume_from:
        _runner = Runner()
        _runner.start()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def leave(**_: Any) -> None:
    """Inside the signal handler: say so, no more."""
    if _runner:
        _runner.leave()


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def wait(**_: Any) -> None:
    if _runner:
        _runner.leave()
        _runner.join(_runner.grace + 2)
