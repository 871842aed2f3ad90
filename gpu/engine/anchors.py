"""What a style must leave alone: which subject a word stands for.

Two dozen references show a style and two dozen subjects at once, and a small base learns both: soon every word brings
one of those subjects. So every few steps a training is held to the bare base where a picture begins, where all is noise
and the words decide what it becomes: asked for other subjects with the trigger word, its predictions shall differ from
each other as the base's do without. What they have in common is the style's, and free.

That is DreamBooth's prior preservation (Ruiz et al. 2022, arXiv:2208.12242) on predictions rather than pictures, as in
learning without forgetting (Li & Hoiem 2016, arXiv:1606.09282), so nothing is made beforehand.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpu.engine.contract import TrainLoraSpec
from gpu.engine.dataset import caption_with_trigger, draws
from gpu.engine.models import Base
from gpu.engine.objective import NoiseSchedule, predict
from gpu.engine.prompts import level
from gpu.engine.snapshots import Learner

EVERY = 8  # steps
FROM = 0.6  # share of the timesteps: before, the picture itself says what it shows
WEIGHT = 0.1
ASKED = 8  # subjects at a time


class Anchors:
    """The subjects of the base's profile, but those that the references show. A word that is learned has none."""

    def __init__(self, base: Base, spec: TrainLoraSpec) -> None:
        shown = {image.caption for image in spec.images}
        profile = base.facts.training
        self.base, self.spec = base, spec
        self.subjects = [subject for subject in profile.anchors if spec.method == "lora" and subject not in shown]

    def gradients(self, learner: Learner, schedule: NoiseSchedule, step: int) -> None:
        """Adds to the gradients of `step`, which has its own draws for it, where it is one of every few."""
        if not self.subjects or step % EVERY:
            return
        base, spec = self.base, self.spec
        generator = draws(spec.seed, "anchors", step)
        side = spec.resolution // base.stride * base.stride
        subjects = [self.subjects[n] for n in torch.randint(len(self.subjects), (ASKED,), generator=generator).tolist()]
        # the same noise and timestep for all, so that they differ in their words alone
        at = torch.randint(int(FROM * len(schedule)), len(schedule), (1,), generator=generator).to(base.device)
        shape = (1, base.unet.config["in_channels"], side // base.scale, side // base.scale)
        noise = torch.randn(shape, generator=generator).to(base.device)
        at, noisy = at.expand(ASKED), (schedule.noise[at] * noise).expand(ASKED, -1, -1, -1)
        with torch.no_grad():
            wanted = _apart(self._predict(noisy, at, subjects, side))
        beside = [caption_with_trigger(subject, spec.trigger_word) for subject in subjects]
        learner.attach()
        try:
            found = _apart(self._predict(noisy, at, beside, side))
            (WEIGHT * (found - wanted).square().mean()).backward()
        finally:
            learner.detach()

    def _predict(self, noisy: Tensor, at: Tensor, texts: list[str], side: int) -> Tensor:
        prompts = level([self.base.prompt(text) for text in texts])
        tokens = torch.cat([prompt.tokens for prompt in prompts])
        pooled = torch.cat([prompt.pooled for prompt in prompts])
        return predict(self.base, noisy, at, tokens, pooled, (side, side))


def _apart(predictions: Tensor) -> Tensor:
    """How each differs from what all have in common."""
    return predictions - predictions.mean(dim=0)
