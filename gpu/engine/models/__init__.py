"""Bases in memory: SDXL's classes, loaded once and kept warm between jobs.

Loads safetensors alone. On a CPU everything is float32; on a GPU pictures are made in float16 and LoRAs are trained
in bfloat16. What is resident, and what rests in host memory until it is needed, says the memory plan of the job.
"""

from gpu.engine.models.base import PROMPTS_KEPT, Base, precision
from gpu.engine.models.loading import Use, dtype_for, load
from gpu.engine.models.shelf import Shelf
from gpu.engine.prompts import Prompt

__all__ = [
    "PROMPTS_KEPT",
    "Base",
    "Prompt",
    "Shelf",
    "Use",
    "dtype_for",
    "load",
    "precision",
]
