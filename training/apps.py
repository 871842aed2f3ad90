from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy

HOUR = 3600


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from accounts import closing, exporting, notifications
        from billing import usage
        from gpu import kinds
        from gpu.worker.folders import also_tidy
        from styles.erasing import on_erase
        from training import encodings, own_data
        from training.actions import forget_style
        from training.job import TRAIN_LORA
        from training.notices import ENDED

        kinds.register(TRAIN_LORA)
        usage.register(TRAIN_LORA.name, gettext_lazy("Training"), family="training")
        notifications.register(ENDED)
        on_erase(forget_style)
        also_tidy(encodings.tidy)
        exporting.register("trainings", own_data.write, say=own_data.SAY)
        closing.register("trainings", goes=own_data.goes, erase=own_data.erase)
        settings.CELERY_BEAT_SCHEDULE["training-tidy"] = {"task": "training.tasks.tidy_encodings", "schedule": HOUR}
