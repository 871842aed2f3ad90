"""Training, its checkpoints and samples, and going on after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from gpu.engine.catalogue import buckets
from gpu.engine.contract import StyleWeight, TrainingImage
from gpu.engine.dataset import batches, draws, encode
from gpu.engine.failures import Failure
from gpu.engine.lora import Mixer
from gpu.engine.models import Base, load
from gpu.engine.objective import NoiseSchedule, loss_of
from gpu.engine.pipelines.painting import paint
from gpu.engine.progress import Estimate
from gpu.engine.snapshots import NAME
from gpu.engine.train_lora import loop, step
from tests.engine.makers import RECIPE, Heard, same, train, training_spec, weights_of
from training.snapshots import step_of

pytestmark = pytest.mark.usefixtures("unjudged")


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


@pytest.mark.parametrize("optimizer", ["adamw", "adamw8bit", "adafactor", "prodigy"])
def test_it_learns(base: Base, tmp_path: Path, paintings: list[Path], optimizer: str) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings, steps=3, checkpoint_steps=[3], optimizer=optimizer)
    checkpoint = train(spec, base).of("checkpoint")[0]
    assert checkpoint.weight_norm > 0
    assert Path(checkpoint.path).stat().st_size == checkpoint.bytes


def test_the_loss_falls_on_pictures_it_has_seen(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    spec = training_spec(
        base.facts.name,
        tmp_path,
        paintings,
        steps=30,
        checkpoint_steps=[30],
        rank=16,
        alpha=16,
        learning_rate=3e-3,
        samples=[],
        flip=False,
    )
    mixer = Mixer(base)
    before = _loss_on_fixed_noise(base, paintings)
    checkpoint = train(spec, base).of("checkpoint")[0]
    mixer.mix([StyleWeight(path=checkpoint.path, sha256=checkpoint.sha256, weight=1)])
    assert _loss_on_fixed_noise(base, paintings) < 0.97 * before


def _loss_on_fixed_noise(base: Base, paintings: list[Path]) -> float:
    images = [TrainingImage(id=path.stem, path=str(path), caption="stripes") for path in paintings]
    sizes = buckets(64, base.stride)
    references = [encode(base, image, sizes=sizes, flip=False, trigger_word="zorli")[0] for image in images]
    generator = draws(0, "held out", 0)
    schedule = NoiseSchedule(base)
    total = 0.0
    with torch.no_grad():
        for batch in batches(references * 4, empty=base.unconditional(), dropout=0, most=64, generator=generator):
            total += float(loss_of(base, batch, schedule, 5.0, generator))
    return total


def test_it_tells_the_phases_in_order_and_progress_never_falls(
    base: Base, tmp_path: Path, paintings: list[Path]
) -> None:
    heard = train(training_spec(base.facts.name, tmp_path, paintings), base)
    seen = [event.phase for event in heard.of("phase")]
    # sampling interrupts training once at every checkpoint, and before the first step
    assert seen == [
        "checking",
        "preparing",
        "encoding",
        *["training", "sampling"] * 3,
        "training",
        "judging",
        "finishing",
    ]
    fractions = [event.fraction for event in heard.of("progress")]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert heard.events[-1].outcome == "finished"  # type: ignore[attr-defined]


def test_it_samples_the_bare_base_first_and_then_every_checkpoint(
    base: Base, tmp_path: Path, paintings: list[Path]
) -> None:
    heard = train(training_spec(base.facts.name, tmp_path, paintings), base)
    assert [sample.step for sample in heard.of("sample")] == [0, 3, 6]
    assert [point.ordinal for point in heard.of("checkpoint")] == [1, 2]
    pictures = [Path(sample.path).read_bytes() for sample in heard.of("sample")]
    assert len(set(pictures)) == 3


def test_a_sample_is_the_picture_that_generation_makes(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings)
    heard = train(spec, base)
    checkpoint, sample = heard.of("checkpoint")[-1], heard.of("sample")[-1]
    mixer = Mixer(base)
    mixer.mix([StyleWeight(path=checkpoint.path, sha256=checkpoint.sha256, weight=1)])
    recipe = type(RECIPE)(
        prompt=spec.samples[0].prompt,
        negative_prompt="",
        width=64,
        height=64,
        steps=spec.sample_steps,
        guidance=spec.sample_guidance,
        seed=spec.samples[0].seed,
    )
    paint(base, recipe).save(tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == Path(sample.path).read_bytes()


def test_every_reference_reports_its_bucket(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    heard = train(training_spec(base.facts.name, tmp_path, paintings), base)
    sizes = {event.image: (event.width, event.height) for event in heard.of("bucket")}
    assert len(sizes) == len(paintings)
    assert sizes["0"] == (64, 64)
    assert sizes["2"][0] < sizes["2"][1]
    assert sizes["3"][0] > sizes["3"][1]


def test_training_leaves_the_base_as_it_was(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    fresh = weights_of(base)
    train(training_spec(base.facts.name, tmp_path, paintings), base)
    assert same(weights_of(base), fresh)
    assert not any(module._forward_hooks for module in base.unet.modules())


def _last_lora(heard: Heard) -> dict[str, torch.Tensor]:
    return load_file(heard.of("checkpoint")[-1].path)


@pytest.mark.parametrize(
    ("pause", "optimizer"),
    [
        ({"after": "metric", "count": 2}, "adamw"),
        ({"after": "metric", "count": 2}, "adafactor"),
        ({"after": "checkpoint", "count": 1}, "adamw"),
        ({"after": "sample", "count": 1}, "adamw"),
    ],
    ids=["between steps", "between steps, another optimizer", "in a checkpoint", "before the first step"],
)
def test_a_resumed_run_is_bit_identical(
    base: Base,
    tmp_path: Path,
    paintings: list[Path],
    pause: dict[str, Any],
    optimizer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gpu.engine.report.MIN_INTERVAL", 0.0)
    settings = {"steps": 6, "checkpoint_steps": [3, 6], "caption_dropout": 0.3, "optimizer": optimizer}
    whole = train(training_spec(base.facts.name, tmp_path / "whole", paintings, **settings), base)

    spec = training_spec(base.facts.name, tmp_path / "halves", paintings, **settings)
    first = train(spec, base, Heard(say="yielded", **pause))
    assert first.events[-1].outcome == "yielded"  # type: ignore[attr-defined]
    torch.manual_seed(999)  # whatever happens in between must not matter
    second = train(spec.model_copy(update={"out_dir": str(tmp_path / "elsewhere")}), base)

    assert second.events[-1].outcome == "finished"  # type: ignore[attr-defined]
    assert same(_last_lora(whole), _last_lora(second))
    assert whole.of("checkpoint")[-1].sha256 == second.of("checkpoint")[-1].sha256
    assert whole.of("checkpoint")[-1].loss == second.of("checkpoint")[-1].loss
    assert Path(whole.of("sample")[-1].path).read_bytes() == Path(second.of("sample")[-1].path).read_bytes()


def test_what_was_announced_is_not_announced_again(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings, samples=[])
    first = train(spec, base, Heard(after="checkpoint", say="yielded"))
    second = train(spec, base)
    assert [point.ordinal for point in [*first.of("checkpoint"), *second.of("checkpoint")]] == [1, 2]


class _Killed(BaseException):
    """Not an Exception: nothing between here and the test may tidy up after it."""


def test_a_killed_run_goes_on_from_its_last_snapshot(
    base: Base, tmp_path: Path, paintings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings)
    real, seen = loop.rate_at, []

    def die_in_step_five(step: int, steps: int) -> float:
        seen.append(step)
        if seen.count(5) == 1 and step == 5:
            raise _Killed
        return real(step, steps)

    monkeypatch.setattr(loop, "rate_at", die_in_step_five)
    with pytest.raises(_Killed):
        train(spec, base)
    resumed = train(spec, base)
    assert seen == [1, 2, 3, 4, 5, 4, 5, 6]  # the snapshot was that of the checkpoint at step 3
    whole = train(training_spec(base.facts.name, tmp_path / "whole", paintings), base)
    assert same(_last_lora(resumed), _last_lora(whole))


def test_a_snapshot_is_whole_or_absent(
    base: Base, tmp_path: Path, paintings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings, samples=[])
    train(spec, base, Heard(after="checkpoint", say="yielded"))
    path = Path(spec.snapshot_dir) / NAME
    before = path.read_bytes()

    def power_cut(_: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr("gpu.engine.disk.os.fsync", power_cut)
    with pytest.raises(OSError, match="power cut"):
        train(spec, base)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["torn", "not safetensors", "another run"])
def test_a_snapshot_that_cannot_be_used_means_a_fresh_start(
    base: Base, tmp_path: Path, paintings: list[Path], damage: str
) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings, samples=[])
    train(spec, base, Heard(after="checkpoint", say="yielded"))
    path = Path(spec.snapshot_dir) / NAME
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "not safetensors":
        path.write_bytes(b"\x80\x04 pickle")
    else:
        spec = spec.model_copy(update={"learning_rate": 2e-3})
    heard = train(spec, base)
    assert [point.ordinal for point in heard.of("checkpoint")] == [1, 2]


def test_snapshots_come_at_the_wanted_pace_and_only_the_latest_is_kept(
    base: Base, tmp_path: Path, paintings: list[Path]
) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings, samples=[], snapshot_every_seconds=1e-9)
    heard = train(spec, base)
    assert {event.step for event in heard.of("snapshot")} == {0, 1, 2, 3, 4, 5, 6}
    assert [path.name for path in Path(spec.snapshot_dir).iterdir()] == [NAME]
    assert step_of((Path(spec.snapshot_dir) / NAME).read_bytes()) == 6  # as the worker's side reads it


@pytest.mark.parametrize("word", ["stopped", "cancelled"])
def test_stop_and_cancel_end_the_run_and_keep_what_is_finished(
    base: Base, tmp_path: Path, paintings: list[Path], word: Any
) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings, steps=500, checkpoint_steps=[3, 500])
    heard = train(spec, base, Heard(after="checkpoint", say=word))
    assert heard.events[-1].outcome == word  # type: ignore[attr-defined]
    (checkpoint,) = heard.of("checkpoint")
    assert Path(checkpoint.path).is_file()
    assert not any(module._forward_hooks for module in base.unet.modules())


def test_a_loss_that_is_no_number_ends_the_run_in_words(
    base: Base, tmp_path: Path, paintings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = step.loss_of
    monkeypatch.setattr(step, "loss_of", lambda *args: real(*args) * float("nan"))
    with pytest.raises(Failure, match="unstable") as failure:
        train(training_spec(base.facts.name, tmp_path, paintings, preflight=False), base)
    assert failure.value.code == "nan_loss"
    assert not any(module._forward_hooks for module in base.unet.modules())


def test_a_run_that_changes_nothing_is_not_sold(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    with pytest.raises(Failure, match="changed nothing") as failure:
        train(training_spec(base.facts.name, tmp_path, paintings, learning_rate=1e-30), base)
    assert failure.value.code == "no_effect"


def test_exports_carry_what_other_tools_read(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    spec = training_spec(
        base.facts.name,
        tmp_path,
        paintings,
        metadata={"modelspec.title": "Stripes", "ss_network_dim": "said otherwise"},
    )
    with safe_open(train(spec, base).of("checkpoint")[-1].path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["modelspec.title"] == "Stripes"
    assert metadata["modelspec.trigger_phrase"] == "zorli"
    assert metadata["ss_network_alpha"] == "2"
    assert metadata["ss_steps"] == "6"
    assert metadata["ss_network_dim"] == "said otherwise"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"checkpoint_steps": [3]}, "bad_spec"),
        ({"checkpoint_steps": [6, 3]}, "bad_spec"),
        ({"checkpoint_steps": [0, 6]}, "bad_spec"),
        ({"checkpoint_steps": [3, 3, 6]}, "bad_spec"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    base: Base, tmp_path: Path, paintings: list[Path], changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(Failure) as failure:
        train(training_spec(base.facts.name, tmp_path, paintings, **changes), base)
    assert failure.value.code == code


def test_a_missing_and_a_broken_reference_are_named(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    with pytest.raises(Failure) as failure:
        train(training_spec(base.facts.name, tmp_path, [*paintings, tmp_path / "gone.png"]), base)
    assert failure.value.code == "missing_file"
    (tmp_path / "broken.png").write_bytes(paintings[0].read_bytes()[:80])
    with pytest.raises(Failure) as failure:
        train(training_spec(base.facts.name, tmp_path, [*paintings, tmp_path / "broken.png"]), base)
    assert failure.value.code == "bad_image"


def test_the_time_left_follows_what_was_measured() -> None:
    plan = Estimate()
    plan.expect("step", total=10, seconds_each=100)
    plan.expect("sample", total=2, seconds_each=5)
    assert plan.eta == 1010
    plan.did("step", 1.0)
    assert plan.eta == pytest.approx(9 * 1 + 2 * 5)
    plan.did("sample", 2.0, count=2)
    assert plan.eta == pytest.approx(9)
    assert plan.fraction == pytest.approx(3 / 12)
