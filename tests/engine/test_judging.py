"""Features, the guard against copies, the odd one out, and the pick."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from gpu.engine import contract, judging
from gpu.engine.contract import StyleWeight, TrainLoraSpec
from gpu.engine.failures import Failure
from gpu.engine.judging import hashing, network, pick, reading, reasons, works
from gpu.engine.judging.features import Features, features
from gpu.engine.judging.oddness import oddness
from gpu.engine.lora import Mixer
from gpu.engine.models import Base
from gpu.engine.models import load as load_base
from gpu.engine.report import Interrupted
from tests.engine.makers import Heard, training_spec

SAMPLE_SET = Path(__file__).resolve().parents[2] / "styles" / "sample_set"


@pytest.fixture(scope="module")
def icons() -> list[Image.Image]:
    """Ten drawings by one hand, of ten subjects."""
    return [Image.open(path).convert("RGB") for path in sorted(SAMPLE_SET.glob("*.png"))[:10]]


@pytest.fixture(scope="module")
def known(icons: list[Image.Image]) -> works.Works:
    return works.learn([str(number) for number in range(1, 11)], icons)


@pytest.fixture(scope="module")
def seen(icons: list[Image.Image]) -> Features:
    return features(icons)


def scribble(seed: int) -> Image.Image:
    """A picture by another hand: thin grey strokes over all of the paper."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (256, 256), "#d8d0c0")
    pen = ImageDraw.Draw(image)
    for _ in range(160):
        x, y, dx, dy = random.integers(0, 256, 4)
        pen.line((x, y, x + dx // 4 - 32, y + dy // 4 - 32), fill="#606060", width=1)
    return image


# --- features ---


def test_features_are_unit_length_and_the_same_every_time(icons: list[Image.Image], seen: Features) -> None:
    assert seen.content.shape == (10, 1280)
    assert np.allclose(np.linalg.norm(seen.content, axis=1), 1, atol=1e-5)
    assert np.array_equal(judging.features.describe(icons[:3]), judging.features.describe(icons[:3]))


def test_a_picture_does_not_depend_on_its_neighbours_in_a_batch(icons: list[Image.Image], seen: Features) -> None:
    assert np.allclose(features(icons[4:5]).style, seen.style[4:5], atol=1e-4)


def test_other_weights_than_the_examined_ones_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(b"anything")

    with pytest.raises(Failure) as failure:
        network.load(other)
    assert failure.value.code == "bad_weights"


def test_the_strokes_tell_two_hands_apart_and_not_two_halves_of_one(seen: Features) -> None:
    other = features([scribble(seed) for seed in range(10)]).style
    scale = np.concatenate([seen.style, other]).std(axis=0) + 1e-6

    def apart(one: judging.features.Floats, two: judging.features.Floats) -> float:
        return float(np.sqrt(np.mean(((one.mean(0) - two.mean(0)) / scale) ** 2)))

    assert apart(seen.style, other) > 3 * apart(seen.style[::2], seen.style[1::2])


# --- the guard ---


def cropped(share: float) -> Callable[[Image.Image], Image.Image]:
    def crop(image: Image.Image) -> Image.Image:
        left, top = round(image.width * (1 - share) * 0.3), round(image.height * (1 - share) * 0.7)
        return image.crop((left, top, left + round(image.width * share), top + round(image.height * share)))

    return crop


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: image, id="itself"),
        pytest.param(ImageOps.mirror, id="mirrored"),
        pytest.param(lambda image: image.resize((128, 128)), id="small"),
        pytest.param(cropped(0.9), id="cropped a little"),
        pytest.param(cropped(0.75), id="cropped"),
        pytest.param(lambda image: cropped(0.8)(ImageOps.mirror(image)), id="mirrored and cropped"),
        pytest.param(lambda image: image.convert("L").convert("RGB"), id="grey"),
        pytest.param(lambda image: ImageEnhance.Contrast(image).enhance(0.6), id="pale"),
    ],
)
def test_a_changed_copy_is_near_to_its_own_work(
    change: Callable[[Image.Image], Image.Image], icons: list[Image.Image], known: works.Works
) -> None:
    found = known.nearest(change(icons[3]))

    assert found.near
    assert found.work == "4"


def test_another_work_by_the_same_hand_is_not_near(icons: list[Image.Image]) -> None:
    for number in range(0, 10, 3):
        others = [icon for n, icon in enumerate(icons) if n != number]
        assert not works.learn([str(n) for n in range(9)], others).nearest(icons[number]).near


def test_the_file_says_the_same_after_it_was_read(tmp_path: Path, icons: list[Image.Image], known: works.Works) -> None:
    path = tmp_path / "works.safetensors"
    works.write(path, known)
    back, fresh = works.read(path).nearest(icons[2]), known.nearest(icons[2])

    assert (back.work, back.bits, back.near) == (fresh.work, fresh.bits, fresh.near)
    assert back.similarity == pytest.approx(fresh.similarity, abs=1e-3)
    assert path.stat().st_size < 20_000 * len(icons)


def test_without_features_hashes_alone_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, icons: list[Image.Image]
) -> None:
    monkeypatch.setattr(works, "available", lambda: False)
    path = tmp_path / "works.safetensors"
    works.write(path, works.learn([str(n) for n in range(10)], icons))
    only = works.read(path)

    assert only.features is None
    assert only.nearest(ImageOps.mirror(icons[5])).work == "5"
    assert only.nearest(ImageOps.mirror(icons[5])).near
    assert not only.nearest(scribble(1)).near


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"\xff" * 40])
def test_a_damaged_file_is_named_as_such(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "works.safetensors"
    path.write_bytes(content)

    with pytest.raises(Failure) as failure:
        works.read(path)
    assert failure.value.code == "bad_weights"


def test_a_likeness_is_sent_for_each_style_that_has_works(
    tmp_path: Path, icons: list[Image.Image], known: works.Works
) -> None:
    path = tmp_path / "works.safetensors"
    works.write(path, known)
    mine = StyleWeight(path="lora", sha256="a" * 64, weight=1.0, works=str(path))
    imported = StyleWeight(path="other", sha256="b" * 64, weight=0.5)
    heard = Heard()
    works.compare([mine, imported], icons[6], heard.report)

    likeness = heard.of("likeness")
    assert [(one.style, one.work, one.near) for one in likeness] == [("a" * 64, "7", True)]


def test_a_hash_sees_no_difference_in_what_was_only_saved_smaller(icons: list[Image.Image]) -> None:
    small = hashing.perceptual_hash(icons[0].resize((96, 96)))
    assert hashing.differing_bits(small, hashing.perceptual_hash(icons[0])) <= 2


# --- the odd one out ---


def test_a_stranger_stands_apart_and_nobody_else() -> None:
    own = [Image.open(path).convert("RGB") for path in sorted(SAMPLE_SET.glob("*.png"))]
    found = oddness(features([*own, scribble(3)]))

    assert found[-1] > 0.5
    assert found[:-1].max() < 0.5


def test_a_set_by_one_hand_has_no_odd_one(seen: Features) -> None:
    assert oddness(seen).max() < 0.5


def test_of_a_handful_nobody_is_odd(icons: list[Image.Image]) -> None:
    assert oddness(features([*icons[:4], scribble(3)])).max() == 0


def test_a_set_of_the_same_picture_is_not_odd(icons: list[Image.Image]) -> None:
    assert np.isfinite(oddness(features([icons[0]] * 8))).all()
    assert oddness(features([icons[0]] * 8)).max() < 0.5


# --- the measures ---


def test_likeness_is_0_for_the_bare_base_and_1_for_the_works(seen: Features) -> None:
    bare = features([scribble(seed) for seed in range(4)]).style
    half = features([Image.blend(scribble(seed), scribble(seed).convert("L").convert("RGB"), 0.5) for seed in range(4)])

    assert pick.likeness(bare, bare, seen.style) == 0
    assert pick.likeness(seen.style[:4], bare, seen.style) > 0.9
    assert pick.likeness(half.style, bare, seen.style) < 0.5


def test_following_counts_recognised_samples_and_how_surely() -> None:
    before = np.array([0.4, 0.4, 0.4, 0.4])

    assert pick.following(before, before) == 1
    assert pick.following(np.array([0.2, 0.2, 0.2, 0.2]), before) == pytest.approx(0.75)
    assert pick.following(np.array([0.4, 0.4, -0.1, -0.1]), before) == pytest.approx(0.5)
    assert pick.following(np.array([-0.1] * 4), before) == 0


def test_a_leak_is_1_for_the_work_itself_and_half_where_the_guard_speaks() -> None:
    def leak(similarity: float, bits: int) -> float:
        return pick.leak_of(works.Near(work="1", similarity=similarity, bits=bits, near=False))

    assert leak(1.0, 0) == 1
    assert leak(works.NEAR_SIMILARITY, 30) == pytest.approx(0.5)
    assert leak(0.0, works.NEAR_BITS) == pytest.approx(0.5)
    assert leak(0.3, 24) == 0


def measured(step: int, likeness: float, *, shown: int = 4, leak: float = 0.0, work: str = "7") -> pick.Measured:
    return pick.Measured(step=step, likeness=likeness, following=shown / 4, shown=shown, of=4, leak=leak, work=work)


def test_the_reason_names_the_work_that_a_rival_repeats() -> None:
    best, later = measured(448, 0.8), measured(672, 0.85, leak=0.7)

    assert reasons.of_pick([best, later]).endswith("Step 672 begins to repeat work 7.")
    assert "begins to repeat work 7" in reasons.of_one(later, [best, later])
    assert "repeat" not in reasons.of_one(best, [best, later])


def test_the_reason_says_when_a_rival_is_closer_but_deaf() -> None:
    said = reasons.of_pick([measured(200, 0.6), measured(400, 0.8, shown=1)])

    assert said == (
        "Step 200 is the best balance between your hand and what it is told to draw. "
        "Step 400 is closer still, but follows the words less."
    )


# --- on real pictures of the starter ---


@pytest.fixture(scope="module")
def bundled(starter: Path) -> Base:
    return load_base(str(starter), "cpu")


def test_the_bare_base_knows_what_real_drawings_show(bundled: Base) -> None:
    """Drawings in a style that the base has never seen, by their own names: far more often right than by chance."""
    shown = {
        "12-red-apple": "a red apple",
        "19-sailboat": "a sailboat",
        "22-guitar": "a guitar",
        "21-castle": "a castle",
    }
    pictures = [Image.open(SAMPLE_SET / f"{name}.png").convert("RGB") for name in shown]
    certain = reading.certainty(bundled, pictures, list(shown.values()), check=lambda: None)
    shuffled = reading.certainty(bundled, pictures[1:] + pictures[:1], list(shown.values()), check=lambda: None)

    assert (certain > 0).sum() >= 3
    assert (shuffled > 0).sum() <= 1
    assert certain.mean() > shuffled.mean()


# --- a whole training ---


@pytest.fixture
def tiny(tiny_base: Path) -> Base:
    return load_base(str(tiny_base), "cpu")


def with_samples(
    tiny_base: Path, folder: Path, icons: list[Image.Image], steps: dict[int, list[Image.Image]]
) -> TrainLoraSpec:
    """What a training leaves on the disk: works to learn from, and samples at every step."""
    paths = []
    for number, icon in enumerate(icons, start=1):
        paths.append(folder / f"{number}.png")
        icon.save(paths[-1])
    spec = training_spec(
        tiny_base,
        folder,
        paths,
        steps=max(steps),
        checkpoint_steps=[step for step in steps if step],
        samples=[contract.SamplePrompt(prompt=f"{word}, zorli", seed=n) for n, word in enumerate(("fox", "boat"))],
    )
    for step, pictures in steps.items():
        target = Path(spec.out_dir) / f"checkpoint-{step:05d}"
        target.mkdir(parents=True)
        for number, picture in enumerate(pictures):
            picture.resize((64, 64)).save(target / f"sample-{number}.png")
    return spec


def judge(spec: TrainLoraSpec, base: Base, steps: list[int]) -> Heard:
    heard = Heard()
    judging.run(spec, base, Mixer(base), steps, spec.images, heard.report)
    return heard


def test_a_checkpoint_that_copies_a_work_is_never_the_pick(
    tiny: Base, tiny_base: Path, tmp_path: Path, icons: list[Image.Image]
) -> None:
    own = [scribble(1), scribble(2)]
    steps = {0: [scribble(8), scribble(9)], 3: own, 6: [icons[2], icons[4]]}
    heard = judge(with_samples(tiny_base, tmp_path, icons[:6], steps), tiny, [3, 6])

    verdict = heard.of("verdict")[0]
    worst = next(one for one in verdict.judged if one.step == 6)
    assert worst.leak > 0.9
    assert "begins to repeat work" in worst.say
    assert verdict.finalists[0] == 3 or verdict.judged[0].score == worst.score == 0
    assert [event.event for event in heard.events][:2] == ["phase", "works"]  # type: ignore[attr-defined]
    assert Path(heard.of("works")[0].path).is_file()


def test_judging_twice_gives_the_same_verdict(
    tiny: Base, tiny_base: Path, tmp_path: Path, icons: list[Image.Image]
) -> None:
    steps = {0: [scribble(8), scribble(9)], 3: icons[6:8], 6: icons[8:10]}
    spec = with_samples(tiny_base, tmp_path, icons[:6], steps)

    assert judge(spec, tiny, [3, 6]).of("verdict") == judge(spec, tiny, [3, 6]).of("verdict")


def test_a_step_whose_files_are_gone_is_left_out_of_the_verdict(
    tiny: Base, tiny_base: Path, tmp_path: Path, icons: list[Image.Image]
) -> None:
    steps = {0: [scribble(8), scribble(9)], 3: icons[6:8], 6: icons[8:10]}
    spec = with_samples(tiny_base, tmp_path, icons[:6], steps)
    for number in range(2):
        (Path(spec.out_dir) / "checkpoint-00003" / f"sample-{number}.png").unlink()

    assert [one.step for one in judge(spec, tiny, [3, 6]).of("verdict")[0].judged] == [6]


def test_missing_samples_of_the_bare_base_are_painted_again(
    tiny: Base, tiny_base: Path, tmp_path: Path, icons: list[Image.Image]
) -> None:
    spec = with_samples(tiny_base, tmp_path, icons[:6], {0: [], 3: icons[6:8]})
    verdict = judge(spec, tiny, [3]).of("verdict")[0]

    assert (Path(spec.out_dir) / "checkpoint-00000" / "sample-1.png").is_file()
    assert [one.step for one in verdict.judged] == [3]


def test_without_features_the_last_checkpoint_is_taken_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tiny: Base, tiny_base: Path, tmp_path: Path, icons: list[Image.Image]
) -> None:
    monkeypatch.setattr(pick, "available", lambda: False)
    steps = {0: [scribble(8), scribble(9)], 3: icons[6:8], 6: icons[8:10]}
    verdict = judge(with_samples(tiny_base, tmp_path, icons[:6], steps), tiny, [3, 6]).of("verdict")[0]

    assert (verdict.judged, verdict.finalists) == ([], [6])
    assert "last checkpoint" in verdict.say


def test_after_a_stop_it_still_judges(tiny: Base, tiny_base: Path, tmp_path: Path, icons: list[Image.Image]) -> None:
    spec = with_samples(tiny_base, tmp_path, icons[:6], {0: [scribble(8), scribble(9)], 3: icons[6:8]})
    heard = Heard()
    heard.report.ask("stopped")
    judging.run(spec, tiny, Mixer(tiny), [3], spec.images, heard.report)

    assert heard.of("verdict")[0].finalists == [3]


def test_a_cancel_ends_the_judging(tiny: Base, tiny_base: Path, tmp_path: Path, icons: list[Image.Image]) -> None:
    spec = with_samples(tiny_base, tmp_path, icons[:6], {0: [scribble(8), scribble(9)], 3: icons[6:8]})
    heard = Heard()
    heard.report.ask("cancelled")

    with pytest.raises(Interrupted):
        judging.run(spec, tiny, Mixer(tiny), [3], spec.images, heard.report)
    assert not heard.of("verdict")


def test_the_base_is_left_bare(tiny: Base, tiny_base: Path, tmp_path: Path, icons: list[Image.Image]) -> None:
    before = {name: value.clone() for name, value in tiny.unet.state_dict().items()}
    judge(with_samples(tiny_base, tmp_path, icons[:6], {0: [scribble(8), scribble(9)], 3: icons[6:8]}), tiny, [3])

    assert all(torch.equal(value, before[name]) for name, value in tiny.unet.state_dict().items())
