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
ANCHORS = (
    "a dog",
    "a cat",
    "a lion",
    "a horse",
    "a pig face",
    "a rabbit",
    "a bear",
    "a chicken",
    "a penguin",
    "an eagle",
    "a frog",
    "a snake",
    "a whale",
    "a shark",
    "a snail",
    "a bee",
    "a rose",
    "a tree",
    "a cactus",
    "a mushroom",
    "grapes",
    "a lemon",
    "a pineapple",
    "a green apple",
    "a strawberry",
    "a carrot",
    "bread",
    "a hamburger",
    "a pizza",
    "a taco",
    "a doughnut",
    "a birthday cake",
    "a cup of coffee",
    "a mountain",
    "a house",
    "a church",
    "a bus",
    "a truck",
    "a bicycle",
    "an airplane",
    "a flying saucer",
    "a ship",
    "a sun",
    "a cloud",
    "a rainbow",
    "an umbrella",
    "a snowflake",
    "a wave",
    "a smiling face",
    "an angry face",
    "a ghost",
    "a skull",
    "a princess",
    "a blue heart",
    "a christmas tree",
    "a gift",
    "a soccer ball",
    "glasses",
    "a dress",
    "a top hat",
    "a bell",
    "a drum",
    "a camera",
    "a light bulb",
    "a key",
    "a bomb",
)
"""Some of its subjects, to which a style's training is held (`gpu/engine/anchors.py`)."""
