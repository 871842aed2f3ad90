"""Painting with SDXL's classes: the loop that every tool and the samples of a training share.

Noise is drawn on the CPU from the seed and the samplers add none: the same spec gives the same picture, bit for bit on
one machine.
"""

from gpu.engine.pipelines.painting.loop import BLACK, OnStep, denoise, paint, to_picture
from gpu.engine.pipelines.painting.pace import Pace
from gpu.engine.pipelines.painting.previews import preview
from gpu.engine.pipelines.painting.recipe import Recipe, Start, check_size, recipe_of
from gpu.engine.pipelines.painting.samplers import sampler

__all__ = [
    "BLACK",
    "OnStep",
    "Pace",
    "Recipe",
    "Start",
    "check_size",
    "denoise",
    "paint",
    "preview",
    "recipe_of",
    "sampler",
    "to_picture",
]
