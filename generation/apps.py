from django.apps import AppConfig


class GenerationConfig(AppConfig):
    name = "generation"

    def ready(self) -> None:
        from generation import tools
        from generation.job import kind_of
        from generation.tools import image_to_image, inpaint, outpaint, text_to_image, upscale
        from gpu import kinds

        for module in (text_to_image, image_to_image, inpaint, outpaint, upscale):
            tools.register(module.TOOL)
            kinds.register(kind_of(module.TOOL.name))
