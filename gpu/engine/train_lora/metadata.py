"""What a trained file says of itself."""

from __future__ import annotations

from gpu.engine.contract import TrainLoraSpec
from gpu.engine.models import Base

ARCHITECTURES = {
    "lora": "stable-diffusion-xl-v1-base/lora",
    "dreambooth": "stable-diffusion-xl-v1-base/lora",
    "textual_inversion": "stable-diffusion-xl-v1-base/textual-inversion",
}


def metadata(spec: TrainLoraSpec, base: Base, step: int) -> dict[str, str]:
    """What other tools read of a LoRA or a learned word. The spec's own entries win."""
    facts = {
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_sd_model_name": base.facts.name,
        "ss_steps": str(step),
        "ss_max_train_steps": str(spec.steps),
        "ss_learning_rate": f"{spec.learning_rate:g}",
        "ss_optimizer": spec.optimizer,
        "ss_total_batch_size": str(spec.batch),
        "ss_resolution": str(spec.resolution),
        "ss_num_train_images": str(len(spec.images)),
        "ss_seed": str(spec.seed),
        "ss_min_snr_gamma": f"{spec.min_snr_gamma:g}",
        "ss_caption_dropout_rate": f"{spec.caption_dropout:g}",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": ARCHITECTURES[spec.method],
        "modelspec.implementation": "diffusers",
        "modelspec.resolution": f"{spec.resolution}x{spec.resolution}",
        "modelspec.trigger_phrase": spec.trigger_word,
    }
    if spec.method != "textual_inversion":
        facts |= {
            "ss_network_module": "networks.lora",
            "ss_network_dim": str(spec.rank),
            "ss_network_alpha": f"{spec.alpha:g}",
        }
    if spec.method == "dreambooth":
        facts |= {"ss_num_reg_images": str(spec.prior_images), "ss_prior_loss_weight": f"{spec.prior_weight:g}"}
    return facts | spec.metadata
