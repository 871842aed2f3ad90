from django.apps import AppConfig
from django.conf import settings

HOUR = 3600


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from accounts import notifications
        from gpu import kinds
        from styles.erasing import on_erase
        from training.actions import forget_style
        from training.job import TRAIN_LORA
        from training.notices import ENDED

        kinds.register(TRAIN_LORA)
        notifications.register(ENDED)
        on_erase(forget_style)
        settings.CELERY_BEAT_SCHEDULE["training-tidy"] = {"task": "training.tasks.tidy_encodings", "schedule": HOUR}
