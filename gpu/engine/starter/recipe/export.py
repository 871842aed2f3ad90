"""Step 3: write a checkpoint's averaged weights as an ordinary Stable Diffusion XL folder.

python -m gpu.engine.starter.recipe.export --home DIR --autoencoder FOLDER --target gpu/engine/starter/weights
"""

import argparse
import json
import logging
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, StableDiffusionXLPipeline
from safetensors.torch import load_file

from . import model, schedule, train, words

PARTS = (
    "model_index.json",
    "scheduler",
    "text_encoder",
    "text_encoder_2",
    "tokenizer",
    "tokenizer_2",
    "unet",
    "vae",
)


def newest(home: Path) -> Path:
    """The annealed checkpoint where it is the newer one: it draws better than the stable one that it came from."""
    return max(
        (path for path in (home / "stable.safetensors", home / "annealed.safetensors") if path.exists()),
        key=lambda path: path.stat().st_mtime,
    )


def assemble(checkpoint: Path, tokens: Path, autoencoder: Path) -> StableDiffusionXLPipeline:
    """The pipeline of a checkpoint, in float32."""
    tokenizer = model.load_tokenizer(tokens)
    network = model.Starter(len(tokenizer))
    network.load_state_dict(train.part_of(load_file(checkpoint), "average."))
    network.eval()
    return StableDiffusionXLPipeline(
        vae=AutoencoderTiny.from_pretrained(autoencoder, torch_dtype=torch.float32),
        text_encoder=network.text_encoder,
        text_encoder_2=network.text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=network.unet,
        scheduler=schedule.sampler(),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )


def settle(folder: Path) -> None:
    """Let the text encoders load as float32 unless asked otherwise, as the UNet and the autoencoder do."""
    for name in ("text_encoder", "text_encoder_2"):
        path = folder / name / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"dtype": "float32"}, indent=2) + "\n")
    for path in folder.rglob("*.*"):
        path.chmod(0o644)


def replace_parts(fresh: Path, target: Path) -> None:
    """Swap in each part by renaming, so that a reader never meets a file that is half written."""
    target.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        old = target / f".old-{part}"
        if (target / part).exists():
            (target / part).rename(old)
        (fresh / part).rename(target / part)
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    shutil.rmtree(fresh)


def _forget_where_it_came_from(path: Path) -> None:
    """The folder that a part was read from is nobody's business where it is shipped."""
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--autoencoder", type=Path, required=True)
    parser.add_argument("--target", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    pipeline = assemble(newest(options.home), options.home / "tokenizer", options.autoencoder)
    words.settle(pipeline.text_encoder, pipeline.text_encoder_2, pipeline.tokenizer)
    fresh = options.target.with_name(".weights-fresh")
    pipeline.to(torch.float16).save_pretrained(fresh)
    _forget_where_it_came_from(fresh / "vae" / "config.json")
    settle(fresh)
    replace_parts(fresh, options.target)


if __name__ == "__main__":
    main()
