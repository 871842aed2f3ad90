"""What the parts of one training share: what is learned, by which plan, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from gpu.engine import contract, prompts
from gpu.engine.contract import TrainLoraSpec
from gpu.engine.inversion import Vectors
from gpu.engine.lora import Mixer, Trainable
from gpu.engine.memory import Plan
from gpu.engine.models import Base
from gpu.engine.objective import NoiseSchedule
from gpu.engine.optimizers import make_optimizer
from gpu.engine.progress import Estimate
from gpu.engine.prompts import Prompt
from gpu.engine.report import Report
from gpu.engine.snapshots import Fitted, Learner, State, load_snapshot, save_snapshot

JUDGING = 4  # samples could be painted in the time that comparing the checkpoints takes
LIKE = "a painting"  # what a learned word begins as, where the spec names no class


@dataclass
class Session:
    """`asked` is the spec as it came, `spec` what the memory plan leaves of it."""

    asked: TrainLoraSpec
    spec: TrainLoraSpec
    base: Base
    mixer: Mixer
    report: Report
    learner: Learner
    optimizer: torch.optim.Optimizer
    schedule: NoiseSchedule
    full_rate: float
    state: State
    estimate: Estimate = field(default_factory=Estimate)
    last_snapshot: float = field(default_factory=time.monotonic)

    @property
    def fitted(self) -> Fitted:
        return Fitted(resolution=self.spec.resolution, rank=self.spec.rank)

    @property
    def micro_batch(self) -> int:
        """Pictures in one pass; a batch beyond it is accumulated."""
        return self.base.plan.micro_batch or self.base.facts.training.micro_batch

    @property
    def side(self) -> int:
        """Pixels of a square picture at the training's resolution."""
        return self.spec.resolution // self.base.stride * self.base.stride

    @property
    def learns_words(self) -> bool:
        return self.spec.method == "textual_inversion"

    @property
    def embed(self) -> Callable[[str], Prompt] | None:
        """How captions are embedded anew at each step, where a training changes what they mean."""
        return (lambda text: prompts.embed(self.base, text)) if self.learns_words else None

    def snapshot(self) -> None:
        path = save_snapshot(self.asked, self.fitted, self.state, self.learner, self.optimizer)
        self.last_snapshot = time.monotonic()
        self.report.send(contract.Snapshot(job=self.report.job, step=self.state.step, path=str(path)))

    def tell(self) -> None:
        # the last word belongs to the end of the run, hence never quite 1
        fraction = min(0.995, self.estimate.fraction)
        self.report.progress(fraction, step=self.state.step, steps=self.spec.steps, eta=self.estimate.eta)


def fitted_spec(spec: TrainLoraSpec, plan: Plan) -> TrainLoraSpec:
    """The spec at the plan's resolution and rank, where they are smaller. The strength of the LoRA stays as it was."""
    resolution = min(spec.resolution, plan.resolution or spec.resolution)
    rank = min(spec.rank, plan.rank or spec.rank)
    alpha = spec.alpha * rank / spec.rank
    return spec.model_copy(update={"resolution": resolution, "rank": rank, "alpha": alpha})


def open_session(asked: TrainLoraSpec, base: Base, mixer: Mixer, report: Report) -> Session:
    """Layers or vectors to learn and their optimizer, as an earlier attempt left them or new."""
    spec = fitted_spec(asked, base.plan)
    learner = learner_of(spec, base)
    parameters = list(learner.parameters())
    optimizer = make_optimizer(spec, parameters)
    state = load_snapshot(asked, learner, optimizer) or State()
    if spec.optimizer not in type(optimizer).__name__.lower() and not state.sampled:  # else it was told before
        say = f"The optimizer {spec.optimizer} is not to be had on this machine: plain AdamW takes its place."
        report.send(contract.Adapted(job=report.job, code="optimizer", say=say))
    return Session(
        asked=asked,
        spec=spec,
        base=base,
        mixer=mixer,
        report=report,
        learner=learner,
        optimizer=optimizer,
        schedule=NoiseSchedule(base),
        full_rate=float(optimizer.param_groups[0]["lr"]),
        state=state,
    )


def learner_of(spec: TrainLoraSpec, base: Base) -> Learner:
    if spec.method == "textual_inversion":
        return Vectors(base, word=spec.trigger_word, number=spec.vectors, like=spec.class_prompt or LIKE)
    targets = base.facts.training.targets
    return Trainable(base, endings=targets, rank=spec.rank, alpha=spec.alpha, seed=spec.seed)


def expect(session: Session) -> None:
    """Announces all work, minus what an earlier attempt has done."""
    spec, state, estimate = session.spec, session.state, session.estimate
    device, profile = session.report.device, session.base.facts.training
    sample = profile.seconds_per_sample[device]
    step = profile.step_seconds(device, batch=spec.batch, resolution=spec.resolution, method=spec.method)
    prior = spec.prior_images if spec.method == "dreambooth" else 0
    estimate.expect("class", total=prior, seconds_each=sample)
    estimate.expect("encode", total=len(spec.images) + prior, seconds_each=profile.seconds_before[device] / 100)
    estimate.expect("preflight", total=1, seconds_each=2 * step + sample / 5)
    estimate.expect("step", total=spec.steps, seconds_each=step)
    estimate.skip("step", state.step)
    estimate.expect("judge", total=1, seconds_each=JUDGING * sample)
    rounds = len(spec.checkpoint_steps) + 1
    estimate.expect("sample", total=rounds * len(spec.samples), seconds_each=sample)
    estimate.skip("sample", len(state.sampled) * len(spec.samples))
    if state.step or not spec.preflight:
        estimate.skip("preflight", 1)
