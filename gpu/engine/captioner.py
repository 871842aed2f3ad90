"""Captions for references: what is to be seen, in a few words (BLIP, Li et al. 2022, arXiv:2201.12086).

The model is optional. How a picture is made is taken off its sentence: that is what a style has to learn by itself.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoTokenizer, BlipForConditionalGeneration

from gpu.engine.failures import bad_weights

MAX_TOKENS = 40
BEAMS = 3

# "a watercolor painting of", "there is an old drawing of"
_MANNER = (
    "black and white|black|white|watercolou?r|oil|ink|pencil|charcoal|acrylic|digital|vintage|old|hand ?drawn|"
    "hand|drawn|painted|colou?rful|colou?red|colou?r|detailed|simple|stylized|small|line|pen|flat|beautiful|blurry"
)
_MEDIUM = (
    "painting|drawing|illustration|picture|image|photo|photograph|sketch|cartoon|print|engraving|icon|clip ?art|"
    "vector|poster|artwork|close ?up|view"
)
_HOW = re.compile(rf"^(?:an? |the )?(?:(?:{_MANNER}) )*(?:{_MEDIUM})(?: (?:{_MEDIUM}))* of ")
_LEAD = re.compile(r"^(?:there (?:is|are) )?(?:ara(?:fed|ffe|ffes|fficed) )?")  # "arafed" is a word BLIP made up


class Captioner:
    """One loaded captioner. In float16 on a GPU; it is small enough to stand beside a base there."""

    def __init__(self, folder: Path, device: str) -> None:
        """Reads safetensors alone. Raises Failure `bad_weights`."""
        self.device = device
        dtype = torch.float32 if device == "cpu" else torch.float16
        try:
            self.model = BlipForConditionalGeneration.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, local_files_only=True
            )
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            facts: dict[str, Any] = json.loads((folder / "preprocessor_config.json").read_text())
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            say = "The captioner cannot be read. Captions stay as they are."
            raise bad_weights(say, detail=f"{folder}: {type(error).__name__}: {error}") from error
        self.model.requires_grad_(False).eval().to(device)
        vision: Any = self.model.config.vision_config
        self.side = int(vision.image_size)
        self.mean, self.spread = np.float32(facts["image_mean"]), np.float32(facts["image_std"])

    @torch.no_grad()
    def caption(self, picture: Image.Image) -> str:
        """What the picture shows, lower case, without a full stop; "" where nothing is left of it."""
        ids = self.model.generate(self._pixels(picture), max_new_tokens=MAX_TOKENS, num_beams=BEAMS, do_sample=False)
        return plain(str(self.tokenizer.decode(ids[0], skip_special_tokens=True)))

    def _pixels(self, picture: Image.Image) -> Tensor:
        square = picture.convert("RGB").resize((self.side, self.side), Image.Resampling.BICUBIC)
        array = (np.asarray(square, dtype=np.float32) / 255 - self.mean) / self.spread
        return torch.from_numpy(array).permute(2, 0, 1)[None].to(self.device, self.model.dtype)


def plain(sentence: str) -> str:
    """The sentence without what it says about medium and manner."""
    words = " ".join(sentence.lower().split()).rstrip(".")
    words = _LEAD.sub("", words)
    return _HOW.sub("", words).strip()
