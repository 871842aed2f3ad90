from django.apps import AppConfig
from django.conf import settings

HOUR = 60 * 60.0


class GalleryConfig(AppConfig):
    name = "gallery"

    def ready(self) -> None:
        from accounts import usage
        from gallery.queries import pictures_since

        usage.register("pictures", pictures_since)
        settings.CELERY_BEAT_SCHEDULE["gallery-purge"] = {"task": "gallery.tasks.purge_deleted", "schedule": HOUR}
