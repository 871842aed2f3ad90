from django.apps import AppConfig
from django.conf import settings

HOUR = 3600
STUDY_EVERY = 15


class StylesConfig(AppConfig):
    name = "styles"

    def ready(self) -> None:
        from accounts import usage
        from gpu import kinds
        from styles.job import STUDY
        from styles.queries import styles_since

        usage.register("styles", styles_since)
        kinds.register(STUDY)
        settings.CELERY_BEAT_SCHEDULE["styles-erase-due"] = {"task": "styles.tasks.erase_due", "schedule": HOUR}
        settings.CELERY_BEAT_SCHEDULE["styles-study-due"] = {"task": "styles.tasks.study_due", "schedule": STUDY_EVERY}
