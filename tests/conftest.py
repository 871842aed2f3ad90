"""What every test shares. Run them by `make test ARGS="…"`, which brings PostgreSQL and Redis along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache

from tests.fakes.stripe import stripe_double as stripe_double

# these folders' tests touch neither database nor Redis
_WITHOUT_SERVERS = ("architecture", "bench", "engine", "stack", "static")


def pytest_configure() -> None:
    """Give each xdist worker a Redis database of its own; published messages know no databases, hence the prefix."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return
    url = settings.REDIS_URL.rpartition("/")[0] + "/" + str(int(worker.removeprefix("gw")) + 1)
    settings.REDIS_URL = settings.CELERY_BROKER_URL = url
    settings.CACHES["default"]["LOCATION"] = url
    settings.CHANNEL_LAYERS["default"]["CONFIG"] |= {"hosts": [url], "prefix": f"live-{worker}"}


@pytest.fixture(autouse=True)
def _no_test_inherits_a_cache(request: pytest.FixtureRequest) -> None:
    """Limits and cached pages start from nothing."""
    folder = Path(request.path).relative_to(Path(__file__).parent).parts[0]
    if folder not in _WITHOUT_SERVERS:
        cache.clear()
