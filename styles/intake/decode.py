"""From a hostile file to plain pixels: upright, sRGB, opaque, rebuilt, nothing else left."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from styles.intake.formats import HEAD_BYTES, Refused, recognise

MAX_PIXELS = 50_000_000
MAX_SHAPE = 8  # longer than this is a strip: no training size comes near it
COPY_SIDE = 2048  # the copy's longer side: twice what any base is trained at


@dataclass(frozen=True)
class Terms:
    """On which a picture is taken."""

    min_side: int
    heeds_training_mark: bool


LEARNED = Terms(min_side=512, heeds_training_mark=True)  # less has no brushwork left to learn
WORKED_ON = Terms(min_side=64, heeds_training_mark=False)  # nothing is learned from it

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
# C2PA's and CAWG's assertion that its maker does not want training; CBOR keeps these words as they are
_DO_NOT_TRAIN = re.compile(rb"(?:c2pa|cawg)\.ai_(?:generative_)?training.{0,40}notAllowed", re.DOTALL)


def decode(path: Path, terms: Terms = LEARNED) -> tuple[Image.Image, tuple[int, int]]:
    """The picture at the copy's size, and its true size in pixels. Raises `Refused`."""
    content = path.read_bytes()
    kind = recognise(content[:HEAD_BYTES])
    _prepare(kind)
    if terms.heeds_training_mark and b"training-mining" in content and _DO_NOT_TRAIN.search(content):
        raise Refused("do_not_train")
    image = _open(content, kind, terms)
    size = image.size
    image = _shrunk(_opaque(_eight_bits(image)), terms)
    return _rebuilt(_in_srgb(image)), size


def _prepare(kind: str) -> None:
    """Load the decoders that are not always there and take long to load: most uploads need neither."""
    try:
        if kind == "HEIF":
            import pillow_heif

            pillow_heif.options.DECODE_THREADS = 1
            pillow_heif.options.THUMBNAILS = False
            pillow_heif.register_heif_opener()
        elif kind == "AVIF":
            from PIL import AvifImagePlugin

            if not AvifImagePlugin.SUPPORTED:
                raise Refused("no_decoder")
            AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    except ImportError as error:
        raise Refused("no_decoder") from error


def _open(content: bytes, kind: str, terms: Terms) -> Image.Image:
    """Fully loaded and upright."""
    try:
        image = Image.open(io.BytesIO(content), formats=[kind])
        # a phone's JPEG may carry a depth map or a preview as further pictures: the first is the photograph
        if kind != "JPEG" and getattr(image, "n_frames", 1) > 1:
            raise Refused("animated")
        _check_shape(*image.size, terms)
        image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Refused("too_many_pixels") from error
    except MemoryError as error:
        raise Refused("too_heavy") from error
    except UnidentifiedImageError as error:
        raise Refused("broken") from error
    except (OSError, EOFError) as error:
        raise Refused("truncated" if "truncated" in str(error) else "broken") from error
    except Refused:
        raise
    except Exception as error:
        raise Refused("broken") from error
    _check_shape(*image.size, terms)  # a header may promise one size and the pixels have another
    return _upright(image)


def _check_shape(width: int, height: int, terms: Terms) -> None:
    if width * height > MAX_PIXELS:
        raise Refused("too_many_pixels")
    if min(width, height) < terms.min_side:
        raise Refused("too_small", width=width, height=height, least=terms.min_side)
    if max(width, height) > MAX_SHAPE * min(width, height):
        raise Refused("too_long", width=width, height=height)


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned: Image.Image = ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - a broken EXIF block says nothing about which way is up
        return image
    return turned


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen-bit greys keep their tones: Pillow's own conversion would cut them off at 255."""
    if image.mode[0] not in "IF":
        return image
    values = np.asarray(image, dtype=np.float32)
    scale = 255 / 65535 if values.max(initial=0) > 255 else 1.0
    eight = Image.fromarray(np.clip(values * scale, 0, 255).round().astype(np.uint8), "L")
    return _with_profile(eight, image)


def _opaque(image: Image.Image) -> Image.Image:
    """L, RGB or CMYK; what was transparent is white."""
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        clear = image.convert("RGBA")
        ground = Image.new("RGB", clear.size, "white")
        ground.paste(clear, mask=clear.getchannel("A"))
        return _with_profile(ground, image)
    return _with_profile(image.convert("RGB"), image)


def _shrunk(image: Image.Image, terms: Terms) -> Image.Image:
    """At most `COPY_SIDE` long, but never narrower than the smallest picture that is taken."""
    width, height = image.size
    scale = max(COPY_SIDE / max(width, height), terms.min_side / min(width, height))
    if scale >= 1:
        return image
    size = (max(terms.min_side, round(width * scale)), max(terms.min_side, round(height * scale)))
    return _with_profile(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0), image)


def _in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        from PIL import ImageCms

        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                image,
                source,
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # a profile that cannot be read, or belongs to another kind of picture, is as good as none
        else:
            if converted is not None:
                return converted
    return image.convert("RGB")


def _rebuilt(image: Image.Image) -> Image.Image:
    """The pixels alone, in a picture that has never seen the file."""
    return Image.frombytes("RGB", image.size, image.tobytes())


def _with_profile(image: Image.Image, source: Image.Image) -> Image.Image:
    image.info = {"icc_profile": source.info.get("icc_profile")}
    return image
