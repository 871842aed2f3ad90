"""A trial before the first step: what would go wrong after an hour goes wrong after seconds."""

from __future__ import annotations

import math
import time

from gpu.engine.failures import Failure
from gpu.engine.optimizers import make_optimizer, rate_at
from gpu.engine.pipelines.painting import Recipe, paint
from gpu.engine.train_lora.material import Material
from gpu.engine.train_lora.session import Session
from gpu.engine.train_lora.step import gradients

STEPS = 2  # the second one finds the optimizer's memory taken
SAMPLE_STEPS = 2  # a picture takes as much memory and shows as well whether numbers hold


def preflight(session: Session, material: Material) -> None:
    """Two steps on the largest references and a picture at the size of the samples. Nothing of it remains.

    Weights come back bit for bit, the optimizer is another one, and every draw has a generator of its own.
    Raises Failure, or whatever the device raises when its memory runs out.
    """
    spec, report = session.spec, session.report
    started = time.monotonic()
    parameters = list(session.learner.parameters())
    kept = [parameter.detach().clone() for parameter in parameters]
    optimizer = make_optimizer(spec, parameters)
    full_rate = float(optimizer.param_groups[0]["lr"])
    # largest first: memory fails early
    largest = max(material.learned, key=lambda reference: reference.size[0] * reference.size[1])
    try:
        for step in range(1, STEPS + 1):
            report.check()
            for group in optimizer.param_groups:
                group["lr"] = full_rate * rate_at(step, spec.steps)
            prior = material.prior[: spec.batch]
            loss = gradients(session, [largest] * spec.batch, prior, material.empty, of="preflight", step=step)
            if not math.isfinite(loss):
                raise Failure(
                    "nan_loss",
                    "The trial before the training gave no usable numbers, so it was not started."
                    " Try a lower learning rate or another optimizer.",
                    detail=f"loss {loss} in step {step} of the trial",
                    retryable=False,
                )
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        _picture(session)
    finally:
        for parameter, before in zip(parameters, kept, strict=True):
            parameter.data.copy_(before)
            parameter.grad = None
    session.estimate.did("preflight", time.monotonic() - started)
    session.tell()


def _picture(session: Session) -> None:
    spec = session.spec
    recipe = Recipe(
        prompt=spec.samples[0].prompt if spec.samples else spec.trigger_word,
        negative_prompt="",
        width=session.side,
        height=session.side,
        steps=SAMPLE_STEPS,
        guidance=spec.sample_guidance,
        seed=spec.seed,
    )
    session.learner.attach()
    try:
        paint(session.base, recipe, lambda *_: session.report.check())
    finally:
        session.learner.detach()
