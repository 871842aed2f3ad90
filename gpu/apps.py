from datetime import timedelta

from django.apps import AppConfig
from django.conf import settings


class GpuConfig(AppConfig):
    name = "gpu"

    def ready(self) -> None:
        from accounts import audit, closing, exporting, usage
        from billing import holds
        from gpu import own_data
        from gpu.queries import alive, jobs_since

        usage.register("jobs", jobs_since)
        audit.register(own_data.DEEDS, owned={"job": own_data.ids})
        exporting.register("jobs", own_data.write, say=own_data.SAY)
        closing.register("jobs", stop=own_data.stop, waits=own_data.waits, erase=own_data.erase)
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
