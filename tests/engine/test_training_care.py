"""How a training takes care of itself: trials, spikes, memory, pauses, and what it keeps for the next one."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gpu.engine import memory
from gpu.engine.failures import Failure
from gpu.engine.memory import Plan
from gpu.engine.models import Base, load
from gpu.engine.report import Interrupted
from gpu.engine.snapshots import NAME, Fitted, fitted_before
from gpu.engine.studio import Studio
from gpu.engine.train_lora import cache, loop, material, preflight, recovery, running, step
from gpu.engine.train_lora.material import held_out
from tests.engine.makers import Heard, same, train, training_spec, weights_of

pytestmark = pytest.mark.usefixtures("unjudged")


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


@pytest.fixture
def plain(base: Base, tmp_path: Path, paintings: list[Path]) -> Callable[..., Any]:
    """Specs of short runs without samples or a trial, changed as a test likes."""
    quick = {"steps": 4, "checkpoint_steps": [2, 4], "samples": [], "preflight": False}
    return lambda name="one", **changes: training_spec(base.facts.name, tmp_path / name, paintings, **(quick | changes))


def end_of(heard: Heard) -> dict[str, torch.Tensor]:
    return load_file(heard.of("checkpoint")[-1].path)


# --- the trial ---


@pytest.mark.parametrize("method", ["lora", "textual_inversion"])
def test_a_run_is_the_same_to_the_last_bit_with_and_without_a_trial(
    base: Base, plain: Callable[..., Any], method: str
) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    tried = train(plain("tried", preflight=True, method=method), base)
    assert torch.equal(torch.get_rng_state(), before)
    untried = train(plain("untried", method=method), base)
    assert same(end_of(tried), end_of(untried))
    assert tried.of("checkpoint")[-1].sha256 == untried.of("checkpoint")[-1].sha256
    assert tried.of("checkpoint")[-1].loss == untried.of("checkpoint")[-1].loss


def test_the_trial_tries_the_largest_picture_and_as_many_as_a_step_has(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []
    real = preflight.gradients

    def note(session: Any, chosen: Any, *rest: Any, **named: Any) -> float:
        tried.append(chosen)
        return real(session, chosen, *rest, **named)

    monkeypatch.setattr(preflight, "gradients", note)
    train(plain(preflight=True), base)
    assert [len(chosen) for chosen in tried] == [4, 4]
    assert {reference.size for chosen in tried for reference in chosen} == {(64, 64)}


def test_broken_numbers_are_found_before_the_first_step(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = step.loss_of
    monkeypatch.setattr(step, "loss_of", lambda *args: real(*args) * float("nan"))
    heard = Heard()
    with pytest.raises(Failure, match="was not started") as failure:
        train(plain(preflight=True), base, heard)
    assert failure.value.code == "nan_loss"
    assert not failure.value.retryable
    assert not heard.of("metric")
    assert not any(module._forward_hooks for module in base.unet.modules())


def test_a_picture_that_cannot_be_shown_is_found_before_the_first_step(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Base.decode
    monkeypatch.setattr(Base, "decode", lambda *args, **named: real(*args, **named) * float("nan"))
    with pytest.raises(Failure) as failure:
        train(plain(preflight=True), base)
    assert failure.value.code == "black_picture"


def test_a_resumed_run_is_not_tried_again(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = plain(preflight=True)
    train(spec, base, Heard(after="checkpoint", say="yielded"))
    monkeypatch.setattr(running, "preflight", lambda *_: pytest.fail("tried again"))
    train(spec, base)


# --- spikes ---


def bent(monkeypatch: pytest.MonkeyPatch, wrong: dict[int, float], times: int) -> list[int]:
    """Multiplies the losses of some steps, the first `times` that they come up. Returns the steps as they happen."""
    real, seen, left = loop.gradients, [], dict.fromkeys(wrong, times)

    def gradients(session: Any, *rest: Any, step: int, **named: Any) -> float:
        seen.append(step)
        loss = real(session, *rest, step=step, **named)
        if left.get(step, 0) > 0:
            left[step] -= 1
            return loss * wrong[step]
        return loss

    monkeypatch.setattr(loop, "gradients", gradients)
    return seen


def test_after_broken_numbers_it_goes_back_once_with_half_the_learning_rate(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = bent(monkeypatch, {4: math.nan}, times=1)
    rates: list[float] = []
    real = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self, *args: (rates.append(self.param_groups[0]["lr"]), real(self, *args))[1]
    )
    heard = train(plain(steps=6, checkpoint_steps=[2, 6]), base)
    assert seen == [1, 2, 3, 4, 3, 4, 5, 6]
    assert rates[3] == pytest.approx(rates[2] / 2)  # step 3 again
    (told,) = heard.of("adapted")
    assert told.code == "unstable"
    assert "step 4" in told.say
    assert "step 2" in told.say
    assert heard.events[-1].outcome == "finished"  # type: ignore[attr-defined]
    assert [point.ordinal for point in heard.of("checkpoint")] == [1, 2]


def test_the_second_time_it_ends_in_words(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bent(monkeypatch, {4: math.nan}, times=2)
    heard = Heard()
    with pytest.raises(Failure, match="unstable") as failure:
        train(plain(steps=6, checkpoint_steps=[2, 6]), base, heard)
    assert failure.value.code == "nan_loss"
    assert not failure.value.retryable
    assert len(heard.of("adapted")) == 1


def test_half_the_learning_rate_outlives_a_pause(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bent(monkeypatch, {4: math.nan}, times=1)
    spec = plain(steps=6, checkpoint_steps=[2, 6])
    train(spec, base, Heard(after="adapted", say="yielded"))
    rates: list[float] = []
    real = recovery.astray
    monkeypatch.setattr(loop, "astray", lambda *args: (rates.append(args[0]), real(*args))[1])
    bent(monkeypatch, {3: math.nan}, times=1)
    with pytest.raises(Failure, match="unstable"):  # the one way back was taken before the pause
        train(spec, base)
    assert rates == [3]


def test_a_loss_far_beyond_the_usual_is_a_spike_and_an_unusual_one_is_not() -> None:
    assert recovery.astray(50, 2.0, 1.0, mean=0.1)
    assert not recovery.astray(50, 0.9, 1.0, mean=0.01)  # a base that predicts nothing has 1
    assert not recovery.astray(50, 0.4, 1.0, mean=0.1)
    assert not recovery.astray(3, 50.0, 1.0, mean=0.1)  # nothing is usual yet
    assert recovery.astray(3, math.inf, 1.0, mean=0.1)
    assert recovery.astray(3, 0.1, math.nan, mean=0.1)


# --- references that are only measured ---


def test_what_is_held_out_is_never_learned_and_always_the_same(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: set[str] = set()
    real = loop.gradients

    def note(session: Any, chosen: Any, *rest: Any, **named: Any) -> float:
        learned.update(reference.image for reference in chosen)
        return real(session, chosen, *rest, **named)

    monkeypatch.setattr(loop, "gradients", note)
    first = train(plain("first", held_out=0.25), base)
    again = train(plain("again", held_out=0.25), base)
    measured = [(event.step, event.held_out) for event in first.of("metric") if event.held_out is not None]
    assert len(learned) == 6
    assert {step for step, _ in measured} >= {1, 2, 4}
    assert measured == [(event.step, event.held_out) for event in again.of("metric") if event.held_out is not None]


def test_measuring_changes_nothing_of_what_is_learned(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = train(plain("measured", held_out=0.25), base)
    monkeypatch.setattr(loop.held_out, "measure", lambda *_: None)
    assert same(end_of(measured), end_of(train(plain("unmeasured", held_out=0.25), base)))


def test_at_least_one_is_held_out_and_never_more_than_half() -> None:
    assert held_out(20, 0.0, seed=1) == set()
    assert len(held_out(20, 0.01, seed=1)) == 1
    assert len(held_out(20, 0.1, seed=1)) == 2
    assert len(held_out(3, 0.5, seed=1)) == 1
    assert held_out(1, 0.5, seed=1) == set()
    assert held_out(20, 0.1, seed=1) == held_out(20, 0.1, seed=1)


# --- too little memory ---


LADDER = [
    Plan(),
    Plan(micro_batch=1, checkpointing="all", code="fp8", say="It learns in smaller pieces."),
    Plan(micro_batch=1, checkpointing="all", resolution=32, code="resolution", say="It learns at 32 pixels."),
    Plan(micro_batch=1, checkpointing="all", resolution=32, rank=2, code="rank", say="It learns at rank 2."),
]


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setattr(memory, "plans", lambda *_, **__: LADDER)
    return Studio("cpu")


def attempt(spec: Any, studio: Studio, heard: Heard | None = None) -> Heard:
    heard = heard or Heard()
    try:
        studio.run(spec, heard.report)
    except Interrupted as interruption:
        heard.report.done(interruption.outcome)
    else:
        heard.report.done("finished")
    return heard


def short_of_memory(monkeypatch: pytest.MonkeyPatch, rung: int, *, at: int = 1) -> None:
    """From step `at` on, memory suffices only from that rung on."""
    real = loop.gradients

    def gradients(session: Any, *rest: Any, step: int, **named: Any) -> float:
        if step >= at and LADDER.index(session.base.plan) < rung:
            raise MemoryError
        return real(session, *rest, step=step, **named)

    monkeypatch.setattr(loop, "gradients", gradients)


@pytest.mark.parametrize(("rung", "size", "rank"), [(1, 64, 4), (2, 32, 4), (3, 32, 2)])
def test_out_of_memory_walks_the_ladder_and_tells(
    studio: Studio,
    plain: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    rung: int,
    size: int,
    rank: int,
) -> None:
    short_of_memory(monkeypatch, rung)
    heard = attempt(plain(), studio)
    assert heard.events[-1].outcome == "finished"  # type: ignore[attr-defined]
    assert [event.say for event in heard.of("adapted")] == [plan.say for plan in LADDER[1 : rung + 1]]
    assert max(event.width for event in heard.of("bucket")[-8:]) <= 2 * size
    ends = end_of(heard)
    assert {tensor.shape[0] for name, tensor in ends.items() if name.endswith("lora_down.weight")} == {rank}
    assert {float(tensor) for name, tensor in ends.items() if name.endswith("alpha")} == {2.0 * rank / 4}


def test_a_rung_goes_on_from_the_last_snapshot_where_shapes_allow(
    studio: Studio, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, 2, at=3)
    seen: list[int] = []
    real = loop.rate_at
    monkeypatch.setattr(loop, "rate_at", lambda step, steps: (seen.append(step), real(step, steps))[1])
    heard = attempt(plain(), studio)
    assert seen == [1, 2, 3, 3, 3, 4]  # once for each rung
    assert [point.ordinal for point in heard.of("checkpoint")] == [1, 2]


def test_a_smaller_rank_begins_anew(studio: Studio, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    short_of_memory(monkeypatch, 3, at=3)
    seen: list[int] = []
    real = loop.rate_at
    monkeypatch.setattr(loop, "rate_at", lambda step, steps: (seen.append(step), real(step, steps))[1])
    attempt(plain(), studio)
    assert seen == [1, 2, 3, 3, 3, 1, 2, 3, 4]


def test_a_resumed_run_takes_the_rung_it_had_come_down_to(
    studio: Studio, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = plain(steps=6, checkpoint_steps=[2, 6])
    with monkeypatch.context() as patch:
        short_of_memory(patch, 3)
        attempt(spec, studio, Heard(after="checkpoint", say="yielded"))
    assert fitted_before(spec) == Fitted(resolution=32, rank=2)
    heard = attempt(spec, studio)
    assert [event.code for event in heard.of("adapted")] == ["rank"]
    assert [point.ordinal for point in heard.of("checkpoint")] == [2]


def test_the_last_rung_says_what_was_missing(
    studio: Studio, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, len(LADDER))
    with pytest.raises(Failure) as failure:
        attempt(plain(), studio)
    assert failure.value.code == "out_of_memory"


def test_a_missing_optimizer_is_told(base: Base, plain: Callable[..., Any]) -> None:
    (told,) = train(plain(optimizer="adamw8bit"), base).of("adapted")
    assert told.code == "optimizer"
    assert "plain AdamW" in told.say


def test_a_base_held_at_half_its_size_learns_nearly_the_same_and_comes_back_whole(
    base: Base, plain: Callable[..., Any]
) -> None:
    fresh = weights_of(base)
    full = train(plain("full"), base)
    base.adopt(Plan(storage="fp8"))
    try:
        small = train(plain("small"), base)
    finally:
        base.adopt(Plan())
    assert same(weights_of(base), fresh)
    own, other = ({metric.step: metric.loss for metric in run.of("metric")} for run in (full, small))
    shared = own.keys() & other.keys()  # which steps are told is a matter of time
    assert len(shared) >= 2
    for told in shared:
        assert own[told] == pytest.approx(other[told], rel=0.02)
        assert own[told] != other[told]


# --- the verdict ---


def test_a_verdict_that_fails_costs_nothing_and_is_told(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no features")

    monkeypatch.setattr(running.judging, "run", fail)
    heard = train(plain(), base)
    assert heard.events[-1].outcome == "finished"  # type: ignore[attr-defined]
    assert [point.ordinal for point in heard.of("checkpoint")] == [1, 2]
    assert [event.code for event in heard.of("adapted")] == ["not_judged"]


@pytest.mark.parametrize(("word", "judged"), [("stopped", [[2]]), ("cancelled", []), ("yielded", [])])
def test_what_a_stop_keeps_is_judged(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, word: Any, judged: list[list[int]]
) -> None:
    seen: list[list[int]] = []
    monkeypatch.setattr(running.judging, "run", lambda spec, base, mixer, steps, *_: seen.append(list(steps)))
    train(plain(), base, Heard(after="checkpoint", say=word))
    assert seen == judged


# --- pauses ---


@pytest.mark.parametrize("word", ["yielded", "cancelled", "stopped"])
def test_a_word_amid_encoding_is_heard_at_once_and_loses_nothing(
    base: Base, plain: Callable[..., Any], word: Any
) -> None:
    spec = plain(cache_dir=plain().out_dir + "-cache")
    first = train(spec, base, Heard(after="bucket", count=3, say=word))
    assert first.events[-1].outcome == word  # type: ignore[attr-defined]
    assert len(first.of("bucket")) == 3
    encoded: list[Any] = []
    real = material.encode_picture
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(material, "encode_picture", lambda *args, **named: (encoded.append(1), real(*args, **named))[1])
        train(spec, base)
    assert len(encoded) == 5


def test_a_word_amid_the_trial_is_heard_within_a_step(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    real = preflight.gradients

    def ask(*args: Any, **named: Any) -> float:
        heard.report.ask("yielded")
        return real(*args, **named)

    monkeypatch.setattr(preflight, "gradients", ask)
    spec = plain(preflight=True)
    train(spec, base, heard)
    assert heard.events[-1].outcome == "yielded"  # type: ignore[attr-defined]
    assert not (Path(spec.snapshot_dir) / NAME).exists()
    assert not any(module._forward_hooks for module in base.unet.modules())


# --- what is kept for the next training ---


def test_a_second_training_of_the_same_set_encodes_nothing_and_learns_the_same(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plain().out_dir + "-cache"
    first = train(plain("first", cache_dir=folder, caption_dropout=0.5), base)
    base.forget_prompts()
    monkeypatch.setattr(Base, "encode", lambda *_: pytest.fail("encoded again"))
    second = train(plain("second", cache_dir=folder, caption_dropout=0.5), base)
    assert same(end_of(first), end_of(second))
    assert [event.kept for event in first.of("bucket")] == [event.kept for event in second.of("bucket")]


@pytest.mark.parametrize("change", [{"resolution": 96}, {"flip": False}])
def test_what_was_encoded_in_another_way_is_not_used(
    base: Base, plain: Callable[..., Any], change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plain().out_dir + "-cache"
    train(plain("first", cache_dir=folder), base)
    encoded: list[Any] = []
    real = material.encode_picture
    monkeypatch.setattr(material, "encode_picture", lambda *args, **named: (encoded.append(1), real(*args, **named))[1])
    train(plain("second", cache_dir=folder, **change), base)
    assert len(encoded) == 8


def test_a_damaged_file_counts_as_absent_and_the_folder_stays_within_bounds(
    base: Base, plain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(plain().out_dir + "-cache")
    first = train(plain("first", cache_dir=str(folder)), base)
    for path in folder.iterdir():
        path.write_bytes(b"torn")
    second = train(plain("second", cache_dir=str(folder)), base)
    assert same(end_of(first), end_of(second))
    size = sum(path.stat().st_size for path in folder.iterdir())
    monkeypatch.setattr(cache, "MOST", size // 2)
    train(plain("third", cache_dir=str(folder)), base)
    assert 0 < sum(path.stat().st_size for path in folder.iterdir()) <= size // 2
