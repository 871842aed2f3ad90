"""LoRA: files in and out, mixing into a base, and what is trained (Hu et al. 2021, arXiv:2106.09685)."""

from gpu.engine.lora.files import read_lora, sha256_of, write_lora
from gpu.engine.lora.layers import Layer, Lora, targets, weight_norm
from gpu.engine.lora.mixer import Mixer
from gpu.engine.lora.trainable import Trainable

__all__ = [
    "Layer",
    "Lora",
    "Mixer",
    "Trainable",
    "read_lora",
    "sha256_of",
    "targets",
    "weight_norm",
    "write_lora",
]
