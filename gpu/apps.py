from django.apps import AppConfig


class GpuConfig(AppConfig):
    name = "gpu"
