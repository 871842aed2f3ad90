from django.apps import AppConfig


class GenerationConfig(AppConfig):
    name = "generation"

    def ready(self) -> None:
        from generation import tools
        from generation.job import TEXT_TO_IMAGE
        from generation.tools import text_to_image
        from gpu import kinds

        tools.register(text_to_image.TOOL)
        kinds.register(TEXT_TO_IMAGE)
