"""Hanging a finished picture: once, with its recipe inside and the marking of what a model made."""

from __future__ import annotations

import hashlib
import io
import uuid
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.utils import timezone
from PIL import Image

from config.kit import media, pictures
from gallery import actions
from gallery import recipe as recipes
from gallery.models import Artwork
from tests.builders import make_user
from tests.gallery.hanging import make_artwork, make_recipe

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def noise(folder: Path, *, seed: int = 1) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    path = folder / f"noise-{seed}.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.django_db
def test_a_job_publishes_once(tmp_path: Path) -> None:
    owner, job = make_user(), uuid.uuid4()
    one, two = (
        actions.publish(
            owner=owner, job=job, file=noise(tmp_path), prompt="a fox", seed=1, recipe=make_recipe(), styles=[]
        )
        for _ in range(2)
    )
    assert one == two
    assert Artwork.objects.count() == 1


@pytest.mark.django_db
def test_the_kept_file_has_the_same_pixels_and_the_facts_are_its_own(tmp_path: Path) -> None:
    file = noise(tmp_path)
    artwork = actions.publish(
        owner=make_user(), job=uuid.uuid4(), file=file, prompt="a fox", seed=1, recipe=make_recipe(), styles=[]
    )
    kept = media.read(artwork.key)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(kept))), np.asarray(Image.open(file)))
    assert (artwork.width, artwork.height, artwork.bytes) == (48, 64, len(kept))
    assert artwork.sha256 == hashlib.sha256(kept).hexdigest()
    with Image.open(io.BytesIO(media.read(artwork.thumb_key))) as thumb:
        assert (thumb.format, thumb.size) == ("WEBP", (48, 64))
        assert SOURCE.encode() in thumb.info["xmp"]
    assert artwork.blur.startswith("data:image/webp;base64,")


def test_the_recipe_is_written_as_the_usual_tools_write_it() -> None:
    style = {"name": "Hedge row, two", "version": 2, "weight": 0.8, "sha256": "abcdef0123456789"}
    text = recipes.parameters(make_recipe(negative_prompt="fog", styles=[style], model="A: model"))
    assert text.split("\n") == [
        "a fox in the snow <lora:hedge-row-two-v2:0.8>",
        "Negative prompt: fog",
        'Steps: 20, CFG scale: 4, Seed: 7, Size: 96x128, Model: "A: model", '
        'Lora hashes: "hedge-row-two-v2: abcdef0123", Version: ArtistCloner',
    ]


@pytest.mark.parametrize("prompt", ["a fox in the snow", "un café à Zürich", "雪の中の狐"])
def test_the_file_carries_recipe_and_marking_and_stays_a_good_png(tmp_path: Path, prompt: str) -> None:
    content = recipes.embedded(noise(tmp_path).read_bytes(), make_recipe(prompt=prompt))
    with Image.open(io.BytesIO(content)) as image:
        image.load()  # checks every chunk's sum
        assert image.info["parameters"].startswith(f"{prompt}\nSteps: 20")
        assert f'Iptc4xmpExt:DigitalSourceType="{SOURCE}"' in image.info["XML:com.adobe.xmp"]


def test_what_is_no_png_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        recipes.embedded(b"GIF89a", make_recipe())


def test_alike_pictures_have_alike_hashes() -> None:
    one, other = blots(seed=1), blots(seed=2)
    assert _apart(one, one.resize((96, 96))) <= 4
    assert _apart(one, Image.eval(one, lambda value: value // 2 + 40)) <= 4
    assert _apart(one, other) > 12


def blots(*, seed: int) -> Image.Image:
    """Large soft shapes, as pictures have them."""
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((160, 160), Image.Resampling.BICUBIC)


def _apart(one: Image.Image, other: Image.Image) -> int:
    return ((pictures.perceptual_hash(one) ^ pictures.perceptual_hash(other)) & (2**64 - 1)).bit_count()


def test_the_tone_is_the_mean_colour_darkened() -> None:
    assert pictures.tone(Image.new("RGB", (4, 4), "#ff8000")) == "#994d00"


# --- deleting ---


@pytest.mark.django_db
def test_a_deletion_can_be_undone(tmp_path: Path) -> None:
    artwork = make_artwork(tmp_path)
    actions.delete_artwork(artwork=artwork)
    assert artwork.deleted_at is not None
    assert not Artwork.objects.owned_by(artwork.owner).exists()
    assert media.exists(artwork.key)
    actions.restore_artwork(artwork=artwork)
    assert artwork.deleted_at is None
    assert Artwork.objects.owned_by(artwork.owner).get() == artwork


@pytest.mark.django_db
def test_after_thirty_days_a_deletion_is_for_good(tmp_path: Path) -> None:
    kept, fresh, old = (make_artwork(tmp_path) for _ in range(3))
    for artwork in (fresh, old):
        actions.delete_artwork(artwork=artwork)
    Artwork.objects.filter(pk=old.pk).update(deleted_at=timezone.now() - timedelta(days=31))
    assert actions.purge(now=timezone.now()) == 1
    assert set(Artwork.objects.all()) == {kept, fresh}
    assert not media.exists(old.key)
    assert not media.exists(old.thumb_key)
    assert media.exists(fresh.key)


@pytest.mark.django_db
def test_nobody_deletes_or_restores_what_is_anothers(tmp_path: Path) -> None:
    artwork, other = make_artwork(tmp_path), make_user()
    assert actions.delete_artworks(owner=other, ids=[artwork.public_id]) == 0
    actions.delete_artwork(artwork=artwork)
    assert actions.restore_artworks(owner=other, ids=[artwork.public_id]) == 0
