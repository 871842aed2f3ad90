from datetime import timedelta

from django.apps import AppConfig
from django.conf import settings


class GpuConfig(AppConfig):
    name = "gpu"

    def ready(self) -> None:
        from accounts import usage
        from billing import holds
        from gpu.queries import alive, jobs_since

        usage.register("jobs", jobs_since)
        holds.register(alive)
        settings.CELERY_BEAT_SCHEDULE |= {
            "gpu-sweep": {
                "task": "gpu.tasks.sweep",
                "schedule": timedelta(seconds=10),
                "options": {"expires": 10},
            },
            "gpu-canary": {
                "task": "gpu.tasks.canary",
                "schedule": timedelta(minutes=1),
                "options": {"expires": 60},
            },
        }
