"""What the engine can work with: bases and every other model. Facts alone, no torch, so that the web reads them too.

A base is named by its catalogue entry (`starter`, `sdxl`), by a Hugging Face repository id of SDXL's classes, or by
a local folder in diffusers' layout; `describe` answers for all three. `MODELS` holds what can be fetched.
"""

from gpu.engine.catalogue.bases import (
    ATTENTION,
    CATALOGUE,
    CHECKPOINTS,
    QUALITIES,
    SDXL,
    STARTER,
    STARTER_FOLDER,
    BaseFacts,
    DeviceKind,
    Purpose,
    Quality,
    TrainingProfile,
    describe,
)
from gpu.engine.catalogue.buckets import MAX_RATIO, Size, buckets, kept_share, nearest_bucket
from gpu.engine.catalogue.models import MODELS, Licence, ModelFacts, ModelFile, Role, model

__all__ = [
    "ATTENTION",
    "CATALOGUE",
    "CHECKPOINTS",
    "MAX_RATIO",
    "MODELS",
    "QUALITIES",
    "SDXL",
    "STARTER",
    "STARTER_FOLDER",
    "BaseFacts",
    "DeviceKind",
    "Licence",
    "ModelFacts",
    "ModelFile",
    "Purpose",
    "Quality",
    "Role",
    "Size",
    "TrainingProfile",
    "buckets",
    "describe",
    "kept_share",
    "model",
    "nearest_bucket",
]
