"""What a style must leave alone: which subject a word stands for.

Two dozen references show a style and two dozen subjects at once, and a small base learns both: soon every word brings
one of those subjects. So every few steps a training is held to the bare base where a picture begins, where all is noise
and the words decide what it becomes: asked for other subjects with the trigger word, its predictions shall differ from
each other as the base's do. What they have in common is the style's, and free.

That is DreamBooth's prior preservation (Ruiz et al. 2022, arXiv:2208.12242) on predictions rather than pictures, as in
learning without forgetting (Li & Hoiem 2016, arXiv:1606.09282), so nothing is made beforehand.

How it is held depends on how much the references surprise the base at that noise (as in `judging/reading.py`). A style
that the base foresees has little to learn and much to lose, so it is held firmly; one that is far from it is let go.
And an unknown word is not nothing to a small text encoder, it leans to some look: where the base foresees the
references better with it, it is held to what it draws with the word, else to what it draws without.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gpu.engine.contract import TrainLoraSpec
from gpu.engine.dataset import Reference, caption_with_trigger, draws
from gpu.engine.models import Base
from gpu.engine.objective import NoiseSchedule, predict
from gpu.engine.prompts import level
from gpu.engine.snapshots import Learner

EVERY = 4  # steps
FROM = 0.6  # share of the timesteps: before, the picture itself says what it shows
LOOKS = (0.65, 0.75, 0.85, 0.95)  # shares of the timesteps at which the base is shown the references
ASKED = 8  # subjects at a time
# The weight is this over the third power of the base's surprise: about 2 for a very near style (0.29), 0.2 half way
# (0.66) and 0.02 for a far one (1.36). Half way, four times as much learned less of the style than diffusers' published
# recipe does, and kept the subjects no better (docs/quality.md).
FIRMNESS = 0.05


class Anchors:
    """The subjects of the base's profile, but those that the references show. A word that is learned has none."""

    def __init__(
        self, base: Base, spec: TrainLoraSpec, schedule: NoiseSchedule, references: Sequence[Reference]
    ) -> None:
        """Looks at the references, which takes two passes for each. On a CPU the same ones give the same anchors."""
        shown = {image.caption for image in spec.images}
        profile = base.facts.training
        self.base, self.spec, self.schedule = base, spec, schedule
        self.subjects = [subject for subject in profile.anchors if spec.method == "lora" and subject not in shown]
        if self.subjects:
            plain, with_word = (self._surprise(references, with_word=with_word) for with_word in (False, True))
            self.with_word = with_word < plain
            self.weight = FIRMNESS / min(plain, with_word) ** 3

    def gradients(self, learner: Learner, step: int) -> None:
        """Adds to the gradients of `step`, which has its own draws for it, where it is one of every few."""
        if not self.subjects or step % EVERY:
            return
        base, spec, schedule = self.base, self.spec, self.schedule
        generator = draws(spec.seed, "anchors", step)
        side = spec.resolution // base.stride * base.stride
        subjects = [self.subjects[n] for n in torch.randint(len(self.subjects), (ASKED,), generator=generator).tolist()]
        # the same noise and timestep for all, so that they differ in their words alone
        at = torch.randint(int(FROM * len(schedule)), len(schedule), (1,), generator=generator).to(base.device)
        shape = (1, base.unet.config["in_channels"], side // base.scale, side // base.scale)
        noise = torch.randn(shape, generator=generator).to(base.device)
        at, noisy = at.expand(ASKED), (schedule.noise[at] * noise).expand(ASKED, -1, -1, -1)
        beside = [caption_with_trigger(subject, spec.trigger_word) for subject in subjects]
        with torch.no_grad():
            wanted = _apart(self._predict(noisy, at, beside if self.with_word else subjects, side))
        learner.attach()
        try:
            found = _apart(self._predict(noisy, at, beside, side))
            (self.weight * (found - wanted).square().mean()).backward()
        finally:
            learner.detach()

    def _predict(self, noisy: Tensor, at: Tensor, texts: list[str], side: int) -> Tensor:
        prompts = level([self.base.prompt(text) for text in texts])
        tokens = torch.cat([prompt.tokens for prompt in prompts])
        pooled = torch.cat([prompt.pooled for prompt in prompts])
        return predict(self.base, noisy, at, tokens, pooled, (side, side))

    @torch.no_grad()
    def _surprise(self, references: Sequence[Reference], *, with_word: bool) -> float:
        """Mean squared error of the bare base's predictions for the references, asked for by their captions."""
        base, schedule = self.base, self.schedule
        captions = {image.id: image.caption for image in self.spec.images}
        at = torch.tensor([round(share * (len(schedule) - 1)) for share in LOOKS], device=base.device)
        total = 0.0
        for number, reference in enumerate(references):
            clean = reference.mean[:1].to(base.device)
            shape = (len(at), *clean.shape[1:])
            noise = torch.randn(shape, generator=draws(self.spec.seed, "surprise", number)).to(base.device)
            prompt = reference.prompt if with_word else base.prompt(captions[reference.image])
            predicted = predict(
                base,
                schedule.noisy(clean, noise, at),
                at,
                prompt.tokens.to(base.device).expand(len(at), -1, -1),
                prompt.pooled.to(base.device).expand(len(at), -1),
                reference.size,
            )
            total += float((predicted - schedule.target(clean, noise, at)).square().mean())
        return total / len(references)


def _apart(predictions: Tensor) -> Tensor:
    """How each differs from what all have in common."""
    return predictions - predictions.mean(dim=0)
