"""The Celery application with the probes registered, for tests that start a worker process of their own."""

from __future__ import annotations

import django

django.setup()

from config.celery import app  # noqa: E402 - the apps must be loaded first
from tests.fakes import probe  # noqa: E402

probe.register()

__all__ = ["app"]
