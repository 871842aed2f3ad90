"""The pictures and masks that an artist hands to a tool, read with care: each fault is a sentence."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from gpu.engine.catalogue import Size
from gpu.engine.failures import Failure, bad_spec, missing_file

MOST_PIXELS = 48_000_000  # 144 MB of RGB; a larger file is refused by its header, before it is unpacked


def read_picture(path: str) -> Image.Image:
    """The source, upright and RGB; what is transparent lies on white. Raises Failure `missing_file` or `bad_image`."""
    image = _read(path, "The picture that this one starts from")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def read_mask(path: str, size: Size) -> np.ndarray:
    """What is drawn anew, (h, w) from 0 to 1. Raises Failure if it is not as large as its picture, or marks nothing."""
    mask = _read(path, "The mask").convert("L")
    if mask.size != size:
        own, other = ("×".join(map(str, each)) for each in (mask.size, size))
        raise bad_spec(f"The mask must be as large as the picture: it has {own} pixels, the picture {other}.")
    marked = np.asarray(mask, dtype=np.float32) / 255
    if not marked.any():
        raise bad_spec("The mask marks nothing. Paint white over what is to be drawn anew.")
    return marked


def _read(path: str, what: str) -> Image.Image:
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise _unreadable(f"{what} has more than {MOST_PIXELS // 1_000_000} million pixels. Make it smaller.")
            image.load()
            return ImageOps.exif_transpose(image)
    except FileNotFoundError as error:
        raise missing_file(what, path) from error
    except Image.DecompressionBombError as error:
        raise _unreadable(f"{what} is far too large. Make it smaller.", detail=str(error)) from error
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise _unreadable(f"{what} cannot be read. Choose another file.", detail=f"{path}: {error}") from error


def _unreadable(say: str, *, detail: str = "") -> Failure:
    return Failure("bad_image", say, detail=detail, retryable=False)


def to_pixels(image: Image.Image) -> Tensor:
    """(1, 3, h, w) in -1..1."""
    array = np.array(image, dtype=np.float32) / 127.5 - 1
    return torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()


def fit(image: Image.Image, size: Size) -> Image.Image:
    """Scaled to cover `size`, then cropped around its centre; untouched where it is that large already."""
    return image if image.size == size else ImageOps.fit(image, size, method=Image.Resampling.LANCZOS)
