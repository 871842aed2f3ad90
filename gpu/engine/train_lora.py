"""Training a LoRA: one loop, read from top to bottom.

Whatever a step draws at random comes from a generator seeded by the run's seed and the step's number. So samples
taken on the way change nothing, and a run that was interrupted goes on bit for bit as if it had not been (on a CPU;
on CUDA up to the order of float additions).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gpu.engine import contract
from gpu.engine.catalogue import buckets, describe
from gpu.engine.contract import TrainLoraSpec
from gpu.engine.dataset import Order, Reference, batches, draws, encode, open_reference
from gpu.engine.failures import Failure, bad_spec
from gpu.engine.lora import Mixer, Trainable, weight_norm, write_lora
from gpu.engine.models import Base, Prompt
from gpu.engine.objective import NoiseSchedule, loss_of
from gpu.engine.optimizers import make_optimizer, rate_at
from gpu.engine.pipelines.painting import Recipe, paint
from gpu.engine.progress import Plan
from gpu.engine.report import Interrupted, Report
from gpu.engine.snapshots import State, load_snapshot, save_snapshot

if TYPE_CHECKING:
    from gpu.engine.studio import Studio

MAX_GRADIENT = 1.0
LOSS_MEMORY = 0.95  # of the running mean that a checkpoint reports


def check(spec: TrainLoraSpec, report: Report) -> None:
    """What the contract's types cannot say, before a model is loaded for it: the plan, and every image.

    Raises Failure `bad_spec`, `missing_file` or `bad_image`.
    """
    report.phase("checking")
    profile = describe(spec.base).training
    report.progress(0.0, steps=spec.steps, eta=profile.seconds(spec.steps, len(spec.checkpoint_steps), report.device))
    marks = spec.checkpoint_steps
    if marks != sorted(set(marks)) or marks[-1] != spec.steps or marks[0] < 1:
        raise bad_spec("The checkpoints of this training are not in order.", detail=f"{marks} of {spec.steps}")
    if len({image.id for image in spec.images}) != len(spec.images):
        raise bad_spec("A reference image appears twice in this training.")
    for image in spec.images:
        open_reference(Path(image.path))
        report.check()


def run(spec: TrainLoraSpec, studio: Studio, report: Report) -> None:
    """Runs or resumes a training. Writes `checkpoint-<step>/` and samples below `out_dir`, snapshots beside.

    Raises Interrupted when the worker asked for an end, Failure when it cannot go on.
    """
    check(spec, report)
    base, mixer = studio.base(spec.base, "training", report)
    train(spec, base, mixer, report)


def train(spec: TrainLoraSpec, base: Base, mixer: Mixer, report: Report) -> None:
    """The same on a base that is there."""
    _Run(spec, base, mixer, report).go()


class _Run:
    def __init__(self, spec: TrainLoraSpec, base: Base, mixer: Mixer, report: Report) -> None:
        self.spec, self.base, self.mixer, self.report = spec, base, mixer, report
        self.profile = base.facts.training
        self.out = Path(spec.out_dir)
        self.plan = Plan()
        self.state = State()
        self.last_snapshot = time.monotonic()

    def go(self) -> None:
        spec, report = self.spec, self.report
        report.phase("preparing")
        if spec.resolution < self.base.stride:
            raise bad_spec(f"The resolution must be at least {self.base.stride} pixels for this base.")
        self.mixer.mix([])
        self.lora = Trainable(self.base, endings=self.profile.targets, rank=spec.rank, alpha=spec.alpha, seed=spec.seed)
        self.optimizer = make_optimizer(spec, list(self.lora.parameters()))
        self.full_rate = float(self.optimizer.param_groups[0]["lr"])
        self.state = load_snapshot(spec, self.lora, self.optimizer) or State()
        self.expect()
        report.phase("encoding")
        references, empty = self.encode()
        report.phase("training")
        if self.profile.gradient_checkpointing:
            self.base.unet.enable_gradient_checkpointing()
        try:
            self.loop(references, empty)
        finally:
            self.lora.detach()
            self.base.unet.disable_gradient_checkpointing()
            self.mixer.mix([])
        report.phase("finishing")
        report.progress(1.0, step=spec.steps, steps=spec.steps, eta=0.0)

    # --- the loop ---

    def loop(self, references: Sequence[Reference], empty: Prompt) -> None:
        spec, base, state = self.spec, self.base, self.state
        order = Order(len(references), spec.batch, spec.seed)
        noise_schedule = NoiseSchedule(base)
        parameters = list(self.lora.parameters())
        marks = {0, *spec.checkpoint_steps}
        while True:
            if state.step in marks:
                self.mark()
            if state.step >= spec.steps:
                return
            self.heed()

            started = time.monotonic()
            step = state.step + 1
            generator = draws(spec.seed, "step", step)
            chosen = [references[index] for index in order.at(step)]
            for group in self.optimizer.param_groups:
                group["lr"] = self.full_rate * rate_at(step, spec.steps)
            total = 0.0
            self.lora.attach()
            for batch in batches(
                chosen,
                empty=empty,
                dropout=spec.caption_dropout,
                most=self.profile.micro_batch,
                generator=generator,
            ):
                loss = loss_of(base, batch, noise_schedule, spec.min_snr_gamma, generator) / spec.batch
                loss.backward()
                total += loss.item()
            self.lora.detach()
            gradient = torch.nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT)
            if not (math.isfinite(total) and math.isfinite(float(gradient))):
                raise Failure(
                    "nan_loss",
                    "The training became unstable and was stopped. Try a lower learning rate or fewer steps.",
                    detail=f"step {step}: loss {total}, gradient {float(gradient)}",
                    retryable=False,
                )
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

            state.step = step
            state.loss = total if step == 1 else LOSS_MEMORY * state.loss + (1 - LOSS_MEMORY) * total
            self.plan.did("step", time.monotonic() - started)
            self.report.metric(step, total, anyway=step in marks)
            self.tell()
            if time.monotonic() - self.last_snapshot > spec.snapshot_every_seconds:
                self.snapshot()

    def heed(self) -> None:
        """Between two steps: leave if the worker said so, with a snapshot if the run is to go on later."""
        if self.report.wanted == "yielded":
            self.snapshot()
        self.report.check()

    def mark(self) -> None:
        """A checkpoint: the LoRA as a file, then samples by the pipeline that generation uses, then a snapshot.

        Step 0 has samples alone, of the base without the style. What an earlier attempt has done is not done again.
        """
        state = self.state
        if state.step in state.sampled:
            return
        path, sha256 = self.write() if state.step else (None, "")
        styles = [] if path is None else [contract.StyleWeight(path=str(path), sha256=sha256, weight=1.0)]
        try:
            self.sample(styles)
        except Interrupted as interruption:
            if interruption.outcome == "yielded":
                self.snapshot()
            raise
        state.sampled.append(state.step)
        self.snapshot()

    def write(self) -> tuple[Path, str]:
        """Writes this step's LoRA and, the first time, announces it."""
        spec, state = self.spec, self.state
        layers = self.lora.layers()
        norm = weight_norm(layers)
        if not norm > 0:
            raise Failure(
                "no_effect",
                "The training changed nothing. Try a higher learning rate or more steps.",
                detail=f"step {state.step}: weight norm {norm}",
                retryable=False,
            )
        path = self.out / f"checkpoint-{state.step:05d}" / "lora.safetensors"
        sha256 = write_lora(path, layers, spec.alpha, metadata(spec, self.base, state.step))
        if state.step not in state.checkpoints:
            state.checkpoints.append(state.step)
            self.report.send(
                contract.Checkpoint(
                    job=self.report.job,
                    ordinal=spec.checkpoint_steps.index(state.step) + 1,
                    step=state.step,
                    loss=state.loss,
                    path=str(path),
                    sha256=sha256,
                    bytes=path.stat().st_size,
                    weight_norm=norm,
                )
            )
        return path, sha256

    def sample(self, styles: list[contract.StyleWeight]) -> None:
        """Pictures at the run's fixed prompts (which carry the trigger word already) and seeds."""
        spec, step = self.spec, self.state.step
        if not spec.samples:
            return
        self.report.phase("sampling")
        side = spec.resolution // self.base.stride * self.base.stride
        self.mixer.mix(styles)
        for number, sample in enumerate(spec.samples):
            started = time.monotonic()
            recipe = Recipe(
                prompt=sample.prompt,
                negative_prompt="",
                width=side,
                height=side,
                steps=spec.sample_steps,
                guidance=spec.sample_guidance,
                seed=sample.seed,
            )
            picture = paint(self.base, recipe, lambda *_: self.report.check())
            path = self.out / f"checkpoint-{step:05d}" / f"sample-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
            self.plan.did("sample", time.monotonic() - started)
            self.report.send(
                contract.Sample(job=self.report.job, step=step, prompt_no=number, seed=sample.seed, path=str(path))
            )
            self.tell()
        self.mixer.mix([])
        self.report.phase("training")

    def snapshot(self) -> None:
        path = save_snapshot(self.spec, self.state, self.lora, self.optimizer)
        self.last_snapshot = time.monotonic()
        self.report.send(contract.Snapshot(job=self.report.job, step=self.state.step, path=str(path)))

    # --- before it ---

    def expect(self) -> None:
        """Announces all work, minus what an earlier attempt has done."""
        spec, state = self.spec, self.state
        device = self.report.device
        profile = self.profile
        self.plan.expect("encode", total=len(spec.images), seconds_each=profile.seconds_before[device] / 100)
        step = profile.seconds_per_step[device] * spec.batch / profile.batch
        self.plan.expect("step", total=spec.steps, seconds_each=step)
        self.plan.skip("step", state.step)
        rounds = len(spec.checkpoint_steps) + 1
        sample = profile.seconds_per_sample[device]
        self.plan.expect("sample", total=rounds * len(spec.samples), seconds_each=sample)
        self.plan.skip("sample", len(state.sampled) * len(spec.samples))

    def encode(self) -> tuple[list[Reference], Prompt]:
        spec, base = self.spec, self.base
        sizes = buckets(spec.resolution, base.stride)
        references = []
        for image in spec.images:
            started = time.monotonic()
            reference, kept = encode(base, image, sizes=sizes, flip=spec.flip, trigger_word=spec.trigger_word)
            references.append(reference)
            width, height = reference.size
            self.report.send(
                contract.Bucket(job=self.report.job, image=image.id, width=width, height=height, kept=round(kept, 3))
            )
            self.plan.did("encode", time.monotonic() - started)
            self.tell()
            self.report.check()
        return references, base.unconditional()

    def tell(self) -> None:
        # the last word belongs to the end of the run, hence never quite 1
        fraction = min(0.995, self.plan.fraction)
        self.report.progress(fraction, step=self.state.step, steps=self.spec.steps, eta=self.plan.eta)


def metadata(spec: TrainLoraSpec, base: Base, step: int) -> dict[str, str]:
    """What other tools read of a LoRA. The spec's own entries win."""
    return {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(spec.rank),
        "ss_network_alpha": f"{spec.alpha:g}",
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_sd_model_name": base.facts.name,
        "ss_steps": str(step),
        "ss_max_train_steps": str(spec.steps),
        "ss_learning_rate": f"{spec.learning_rate:g}",
        "ss_optimizer": spec.optimizer,
        "ss_total_batch_size": str(spec.batch),
        "ss_resolution": str(spec.resolution),
        "ss_num_train_images": str(len(spec.images)),
        "ss_seed": str(spec.seed),
        "ss_min_snr_gamma": f"{spec.min_snr_gamma:g}",
        "ss_caption_dropout_rate": f"{spec.caption_dropout:g}",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.resolution": f"{spec.resolution}x{spec.resolution}",
        "modelspec.trigger_phrase": spec.trigger_word,
        **spec.metadata,
    }
