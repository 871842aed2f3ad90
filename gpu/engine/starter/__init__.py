"""The bundled small base: true Stable Diffusion XL classes at 128 px, for trying the product out.

Facts alone, no torch. How it was made is in `recipe/`; what it can do and whose pictures it learned from is told in
`docs/starter.md` and `weights/LICENSE.md`.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""A folder for `StableDiffusionXLPipeline.from_pretrained(WEIGHTS, torch_dtype=...)`."""

NATIVE = 128
"""Pixels of a side."""
MULTIPLE = 32
"""Sides must be multiples of this: the autoencoder takes eight pixels to one and the UNet halves that twice."""
SIZES = ((128, 128), (96, 128), (128, 96), (160, 128), (128, 160))
"""(width, height) in pixels; the native size first. It has seen squares only: the others are near enough to hold."""

STEPS = 20
GUIDANCE = 4.0

TOKENS = 32
"""Longest prompt in tokens, start and end included; what is beyond is cut."""
STYLES = ("noto", "blob", "firefox", "flat", "twemoji", "emojione", "streamline")
"""The looks it knows by name."""
STYLE_CAPTION = "{subject}, {style} style"
"""How a look is called in its captions; a trained style does best with `{subject}, {trigger} style`, too."""
BACKGROUND_CAPTION = "{subject} on a {colour} background"
EXAMPLE_SUBJECTS = (
    "a fox",
    "an owl",
    "a penguin",
    "a fish",
    "a butterfly",
    "a tree",
    "a sunflower",
    "a red apple",
    "a slice of cake",
    "a red car",
    "a sailboat",
    "a castle",
    "a guitar",
    "a crown",
)
