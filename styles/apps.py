from django.apps import AppConfig
from django.conf import settings

HOUR = 3600


class StylesConfig(AppConfig):
    name = "styles"

    def ready(self) -> None:
        from accounts import usage
        from styles.queries import styles_since

        usage.register("styles", styles_since)
        settings.CELERY_BEAT_SCHEDULE["styles-erase-due"] = {"task": "styles.tasks.erase_due", "schedule": HOUR}
