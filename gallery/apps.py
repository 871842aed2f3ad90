from django.apps import AppConfig
from django.conf import settings

HOUR = 60 * 60.0


class GalleryConfig(AppConfig):
    name = "gallery"

    def ready(self) -> None:
        from accounts import audit, closing, exporting, usage
        from gallery import own_data
        from gallery.queries import pictures_since

        usage.register("pictures", pictures_since)
        audit.register(own_data.DEEDS, owned={"artwork": own_data.ids})
        exporting.register("gallery", own_data.write, say=own_data.SAY)
        closing.register("gallery", goes=own_data.goes, stop=own_data.stop, erase=own_data.erase)
        settings.CELERY_BEAT_SCHEDULE["gallery-purge"] = {"task": "gallery.tasks.purge_deleted", "schedule": HOUR}
