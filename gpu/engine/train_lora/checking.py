"""What can be told of a training before a model is loaded for it."""

from __future__ import annotations

from pathlib import Path

from gpu.engine.catalogue import describe
from gpu.engine.contract import TrainLoraSpec
from gpu.engine.dataset import open_reference
from gpu.engine.failures import bad_spec
from gpu.engine.report import Report


def check(spec: TrainLoraSpec, report: Report) -> None:
    """What the contract's types cannot say, before a model is loaded for it: the plan, and every image.

    Raises Failure `bad_spec`, `missing_file` or `bad_image`.
    """
    report.phase("checking")
    profile = describe(spec.base).training
    eta = profile.seconds(
        spec.steps,
        len(spec.checkpoint_steps),
        report.device,
        batch=spec.batch,
        resolution=spec.resolution,
        method=spec.method,
        prior_images=spec.prior_images if spec.method == "dreambooth" else 0,
    )
    report.progress(0.0, steps=spec.steps, eta=eta)
    marks = spec.checkpoint_steps
    if marks != sorted(set(marks)) or marks[-1] != spec.steps or marks[0] < 1:
        raise bad_spec("The checkpoints of this training are not in order.", detail=f"{marks} of {spec.steps}")
    if len({image.id for image in spec.images}) != len(spec.images):
        raise bad_spec("A reference image appears twice in this training.")
    if spec.method == "dreambooth" and not (spec.class_prompt and spec.prior_images):
        raise bad_spec("DreamBooth needs words for the class, such as “a person”, and pictures of it.")
    for image in spec.images:
        open_reference(Path(image.path))
        report.check()
