from functools import partial

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy

HOUR = 60 * 60.0


class GenerationConfig(AppConfig):
    name = "generation"

    def ready(self) -> None:
        from accounts import closing, exporting
        from billing import usage
        from config.kit import decency
        from gallery import onward
        from generation import adapters, own_data, safety, tools
        from generation.addresses import (
            again,
            from_artwork,
            others,
            price_from_artwork,
            price_of_recipe,
            recipe,
        )
        from generation.job import kind_of
        from generation.tools import (
            camera_move,
            image_to_image,
            image_to_video,
            inpaint,
            outpaint,
            text_to_image,
            upscale,
        )
        from gpu import kinds
        from gpu.worker.folders import also_tidy
        from styles.erasing import on_erase

        decency.register(safety.words)
        for module in (text_to_image, image_to_image, inpaint, outpaint, upscale, image_to_video, camera_move):
            tool = module.TOOL
            tools.register(tool)
            kinds.register(kind_of(tool.name))
            usage.register(tool.name, tool.title, family="films" if tool.makes == "video" else "pictures")
            if tool.needs_source:
                onward.register(
                    tool.title, tool.icon, partial(from_artwork, tool), price_of=partial(price_from_artwork, tool)
                )
        on_erase(adapters.forget_style)
        also_tidy(adapters.tidy)
        exporting.register("requests", own_data.write, say=own_data.SAY)
        closing.register("requests", goes=own_data.goes, erase=own_data.erase)
        onward.register(gettext_lazy("Use the recipe"), "corner-up-left", recipe, price_of=price_of_recipe)
        onward.register(gettext_lazy("Other seeds"), "dices", others, price_of=price_of_recipe)
        onward.register(gettext_lazy("Film it again"), "repeat-2", again, kinds=("video",), price_of=price_of_recipe)
        settings.CELERY_BEAT_SCHEDULE["uploads-purge"] = {"task": "generation.tasks.purge_uploads", "schedule": HOUR}
