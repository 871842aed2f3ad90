"""Step 4: a contact sheet of fixed prompts and seeds, to see with one's own eyes how far the training is.

python -m gpu.engine.starter.recipe.sheet --weights FOLDER --target sheet.webp
"""

import argparse
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image, ImageDraw

STEPS, GUIDANCE, SIDE = 20, 4.0, 128
CAPTION_HEIGHT = 13
COLUMNS = 8
PROMPTS = (
    "a red apple, noto style",
    "a banana, twemoji style",
    "a slice of cake, flat style",
    "pizza, emojione style",
    "a mushroom, blob style",
    "a cactus, noto style",
    "a sunflower, flat style",
    "a tree, twemoji style",
    "a cat, noto style",
    "a dog face, flat style",
    "a fox, twemoji style",
    "an owl, emojione style",
    "a penguin, blob style",
    "a fish, flat style",
    "a butterfly, noto style",
    "an octopus, twemoji style",
    "a red car, noto style",
    "a rocket, emojione style",
    "a sailboat, flat style",
    "a house, twemoji style",
    "a castle, noto style",
    "a guitar, flat style",
    "a crown, blob style",
    "an umbrella, twemoji style",
    "a smiling face, noto style",
    "a robot, flat style",
    "a rainbow, twemoji style",
    "fire, noto style",
    "a pear on a blue background, flat style",
    "a star on a black background, noto style",
    "a frog on a pink background, twemoji style",
    "a strawberry",
)


def draw_all(
    pipeline: StableDiffusionXLPipeline,
    prompts: list[str],
    *,
    seed: int = 0,
    batch: int = 16,
    guidance: float = GUIDANCE,
) -> list[Image.Image]:
    """One picture per prompt; picture n is drawn from seed + n whatever the batch size."""
    pipeline.set_progress_bar_config(disable=True)
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        generators = [torch.Generator().manual_seed(seed + start + place) for place in range(len(part))]
        with torch.no_grad():
            pictures += pipeline(
                part,
                num_inference_steps=STEPS,
                guidance_scale=GUIDANCE,
                height=SIDE,
                width=SIDE,
                generator=generators,
            ).images
    return pictures


def contact_sheet(pictures: list[Image.Image], labels: list[str], columns: int = COLUMNS) -> Image.Image:
    """Pictures in rows, each with its prompt beneath."""
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * SIDE, rows * (SIDE + CAPTION_HEIGHT)), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left, top = place % columns * SIDE, place // columns * (SIDE + CAPTION_HEIGHT)
        sheet.paste(picture, (left, top))
        pen.text((left + 3, top + SIDE), label.removesuffix(" style")[:23], fill="black")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pipeline = StableDiffusionXLPipeline.from_pretrained(options.weights, torch_dtype=torch.float32)
    contact_sheet(draw_all(pipeline, list(PROMPTS)), list(PROMPTS)).save(options.target, quality=82)


if __name__ == "__main__":
    main()
