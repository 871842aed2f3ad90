"""The learning itself, from top to bottom."""

from __future__ import annotations

import math
import time

import torch

from gpu.engine import contract
from gpu.engine.anchors import Anchors
from gpu.engine.dataset import Order
from gpu.engine.optimizers import rate_at
from gpu.engine.train_lora import held_out
from gpu.engine.train_lora.marks import mark
from gpu.engine.train_lora.material import Material
from gpu.engine.train_lora.recovery import astray, recover
from gpu.engine.train_lora.session import Session
from gpu.engine.train_lora.step import gradients

MAX_GRADIENT = 1.0
LOSS_MEMORY = 0.95  # of the running mean that a checkpoint reports


def learn(session: Session, material: Material) -> None:
    """From where the session stands to its last step, with all that happens on the way."""
    spec, optimizer, report = session.spec, session.optimizer, session.report
    learned, prior = material.learned, material.prior
    order = Order(len(learned), spec.batch, spec.seed)
    prior_order = Order(len(prior), spec.batch, spec.seed, of="class")
    anchors = Anchors(session.base, spec, session.schedule, learned)
    parameters = list(session.learner.parameters())
    marks = {0, *spec.checkpoint_steps}
    measured = held_out.moments(spec.steps, spec.checkpoint_steps)

    while True:
        if session.state.step in marks:
            mark(session)
        if session.state.step >= spec.steps:
            return
        heed(session)

        started = time.monotonic()
        state = session.state
        step = state.step + 1
        chosen = [learned[index] for index in order.at(step)]
        beside = [prior[index] for index in prior_order.at(step)] if prior else []
        for group in optimizer.param_groups:
            group["lr"] = session.full_rate * state.rate * rate_at(step, spec.steps)
        loss = gradients(session, chosen, beside, material.empty, of="step", step=step)
        anchors.gradients(session.learner, step)
        gradient = float(torch.nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT))
        if astray(step, loss, gradient, state.loss):
            recover(session, loss=loss, gradient=gradient)
            continue
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        state.step = step
        state.loss = loss if step == 1 else LOSS_MEMORY * state.loss + (1 - LOSS_MEMORY) * loss
        session.estimate.did("step", time.monotonic() - started)
        away = held_out.measure(session, material) if step in measured else None
        if away is not None and math.isfinite(away):
            report.send(contract.Metric(job=report.job, step=step, loss=loss, held_out=away))
        else:
            report.metric(step, loss, anyway=step in marks)
        session.tell()
        if time.monotonic() - session.last_snapshot > spec.snapshot_every_seconds:
            session.snapshot()


def heed(session: Session) -> None:
    """Between two steps: leave if the worker said so, with a snapshot if the run is to go on later."""
    if session.report.wanted == "yielded":
        session.snapshot()
    session.report.check()
