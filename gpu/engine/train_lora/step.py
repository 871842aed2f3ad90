"""The gradients of one step."""

from __future__ import annotations

from collections.abc import Sequence

from gpu.engine.dataset import Reference, batches, draws
from gpu.engine.objective import loss_of
from gpu.engine.prompts import Prompt
from gpu.engine.train_lora.session import Session


def gradients(
    session: Session, chosen: Sequence[Reference], prior: Sequence[Reference], empty: Prompt, *, of: str, step: int
) -> float:
    """Adds the gradients of one step to what is learned, and returns its loss: a mean over the chosen references.

    Pictures of the class count beside them, by `prior_weight` and with draws of their own: the references see the same
    noise with them as without. What is drawn is a function of the seed, `of` and `step`.
    """
    spec, base = session.spec, session.base
    # a dropped caption would hide the very word that is learned
    dropout = 0.0 if session.learns_words else spec.caption_dropout
    total = 0.0
    session.learner.attach()
    try:
        for references, share, dropped, name in (
            (chosen, 1.0, dropout, of),
            (prior, spec.prior_weight, 0.0, f"class {of}"),
        ):
            generator = draws(spec.seed, name, step)
            for batch in batches(
                references,
                empty=empty,
                dropout=dropped,
                most=session.micro_batch,
                generator=generator,
                embed=session.embed,
            ):
                loss = loss_of(base, batch, session.schedule, spec.min_snr_gamma, generator) * share / len(references)
                loss.backward()
                total += loss.item()
    finally:
        session.learner.detach()
    return total
