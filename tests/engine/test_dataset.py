"""Buckets, cropping, captions, and the order in which a training sees its references."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gpu.engine.catalogue import MAX_RATIO, buckets, kept_share, nearest_bucket
from gpu.engine.contract import TrainingImage
from gpu.engine.dataset import Order, batches, caption_with_trigger, draws, encode, fit, open_reference
from gpu.engine.models import Base, load


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


@given(resolution=st.sampled_from([64, 128, 512, 768, 1024]), stride=st.sampled_from([8, 32, 64]))
def test_buckets_keep_the_area_and_divide_by_the_stride(resolution: int, stride: int) -> None:
    sizes = buckets(resolution, stride)
    assert (resolution // stride * stride,) * 2 in sizes
    for width, height in sizes:
        assert width % stride == height % stride == 0
        assert width * height <= resolution**2
        assert max(width / height, height / width) <= MAX_RATIO


@given(width=st.integers(64, 4000), height=st.integers(64, 4000))
def test_the_nearest_bucket_crops_least(width: int, height: int) -> None:
    sizes = buckets(1024, 64)
    best = nearest_bucket(width, height, sizes)
    kept = kept_share(width, height, best)
    assert kept == pytest.approx(max(kept_share(width, height, size) for size in sizes), abs=1e-5)
    if max(width / height, height / width) <= MAX_RATIO:
        assert kept > 0.85


def test_a_picture_is_covered_and_cropped_around_its_centre() -> None:
    picture = Image.new("RGB", (300, 100), "blue")
    picture.paste("red", (100, 0, 200, 100))
    cropped = fit(picture, (64, 64))
    assert cropped.size == (64, 64)
    assert cropped.getpixel((32, 32)) == (255, 0, 0)
    assert cropped.getpixel((2, 32))[0] > 200  # type: ignore[index]


def test_a_sideways_photograph_is_set_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (80, 40), "white")
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save(tmp_path / "sideways.jpg", exif=exif)
    assert open_reference(tmp_path / "sideways.jpg").size == (40, 80)


def test_the_trigger_word_follows_the_caption() -> None:
    assert caption_with_trigger("a red fox", "zorli") == "a red fox, zorli"
    assert caption_with_trigger("", "zorli") == "zorli"


def test_every_reference_is_seen_once_an_epoch_and_epochs_differ() -> None:
    order = Order(count=10, batch=4, seed=3)
    seen = [index for step in range(1, 6) for index in order.at(step)]  # 20 places, two epochs
    assert Counter(seen[:10]) == Counter(range(10)) == Counter(seen[10:])
    assert seen[:10] != seen[10:]
    assert order.at(3) == Order(count=10, batch=4, seed=3).at(3)
    assert [Order(10, 4, 4).at(step) for step in (1, 2)] != [order.at(step) for step in (1, 2)]


def test_a_batch_larger_than_the_set_sees_some_twice() -> None:
    assert sorted(Order(count=3, batch=6, seed=0).at(1)) == [0, 0, 1, 1, 2, 2]


def test_flips_are_seen_only_where_the_artist_allows_them(base: Base, paintings: list[Path]) -> None:
    image = TrainingImage(id="0", path=str(paintings[0]), caption="stripes")
    sizes = buckets(64, base.stride)
    plain, _ = encode(base, image, sizes=sizes, flip=False, trigger_word="zorli")
    both, _ = encode(base, image, sizes=sizes, flip=True, trigger_word="zorli")
    assert len(plain.mean) == 1
    assert len(both.mean) == 2
    assert torch.allclose(both.mean[0], plain.mean[0], atol=1e-4)
    assert not torch.allclose(both.mean[1], both.mean[0], atol=1e-2)


def test_a_step_is_grouped_by_size_and_no_group_is_too_large(base: Base, paintings: list[Path]) -> None:
    images = [TrainingImage(id=path.stem, path=str(path), caption="") for path in paintings]
    sizes = buckets(64, base.stride)
    references = [encode(base, image, sizes=sizes, flip=False, trigger_word="z")[0] for image in images]
    groups = list(batches(references, empty=base.unconditional(), dropout=0, most=3, generator=draws(0, "step", 1)))
    assert sum(len(group.latents) for group in groups) == len(references)
    assert max(len(group.latents) for group in groups) <= 3
    for group in groups:
        width, height = group.size
        assert group.latents.shape[2:] == (height // base.scale, width // base.scale)
        assert len(group.tokens) == len(group.pooled) == len(group.latents)


def test_a_dropped_caption_is_the_empty_prompt_of_generation(base: Base, paintings: list[Path]) -> None:
    image = TrainingImage(id="0", path=str(paintings[0]), caption="stripes")
    reference, _ = encode(base, image, sizes=buckets(64, base.stride), flip=False, trigger_word="zorli")
    empty = base.unconditional()

    def dropped(share: float) -> float:
        groups = batches([reference] * 200, empty=empty, dropout=share, most=200, generator=draws(0, "step", 1))
        tokens = next(iter(groups)).tokens
        return sum(torch.equal(row, empty.tokens[0]) for row in tokens) / len(tokens)

    assert dropped(0) == 0
    assert dropped(1) == 1
    assert 0.02 < dropped(0.1) < 0.2
