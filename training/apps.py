from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from gpu import kinds
        from training.job import TRAIN_LORA

        kinds.register(TRAIN_LORA)
