from django.apps import AppConfig
from django.conf import settings

HOUR = 3600
STUDY_EVERY = 15


class StylesConfig(AppConfig):
    name = "styles"

    def ready(self) -> None:
        from accounts import audit, avatars, closing, exporting, usage
        from billing import allowance
        from gpu import kinds
        from styles import own_data
        from styles.intake import pixels
        from styles.job import STUDY
        from styles.queries import resting, styles_since

        avatars.read_with(lambda file, field: pixels.read(file, field=field))
        usage.register("styles", styles_since)
        allowance.register_resting(resting)
        kinds.register(STUDY)
        audit.register(own_data.DEEDS, owned={"style": own_data.ids})
        exporting.register("styles", own_data.write, say=own_data.SAY)
        closing.register("styles", goes=own_data.goes, erase=own_data.erase)
        settings.CELERY_BEAT_SCHEDULE["styles-erase-due"] = {"task": "styles.tasks.erase_due", "schedule": HOUR}
        settings.CELERY_BEAT_SCHEDULE["styles-study-due"] = {"task": "styles.tasks.study_due", "schedule": STUDY_EVERY}
