"""Looking at references before a training: what each shows, and which does not belong with the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gpu.engine import contract
from gpu.engine.captioner import Captioner
from gpu.engine.catalogue import model
from gpu.engine.contract import StudySpec
from gpu.engine.dataset import open_reference
from gpu.engine.failures import bad_spec
from gpu.engine.hub import folder_of, present
from gpu.engine.judging.features import available, features
from gpu.engine.judging.oddness import oddness
from gpu.engine.report import Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio

SEEN_SIDE = 512  # pixels: more than either network looks at
APART = 0.5


def run(spec: StudySpec, studio: Studio, report: Report) -> None:
    """Sends Studied for each image, in their order.

    Without a captioner on this machine captions stay empty; without the features nothing is odd.
    """
    report.phase("preparing")
    captioner = _captioner(spec.captioner, studio.device, report)
    report.phase("studying")
    captions: list[str] = []
    pictures = []
    for number, image in enumerate(spec.images, start=1):
        picture = open_reference(Path(image.path))
        picture.thumbnail((SEEN_SIDE, SEEN_SIDE))
        pictures.append(picture)
        captions.append(captioner.caption(picture) if captioner else "")
        report.progress(0.9 * number / len(spec.images), step=number, steps=len(spec.images))
        report.check()
    odd = oddness(features(pictures)) if available() else [0.0] * len(pictures)
    for image, caption, away in zip(spec.images, captions, odd, strict=True):
        report.send(
            contract.Studied(
                job=report.job,
                image=image.id,
                caption=caption[: contract.MAX_PROMPT],
                oddness=round(float(away), 4),
                odd=bool(away >= APART),
            )
        )
    report.progress(1.0)


def _captioner(name: str, device: str, report: Report) -> Captioner | None:
    """The captioner of this catalogue name, if it is on this machine: a study never fetches 2 GB by itself."""
    if not name:
        return None
    try:
        facts = model(name)
    except LookupError as error:
        raise bad_spec(str(error)) from error
    if facts.role != "captioner":
        raise bad_spec(f"“{name}” is no captioner.", detail=facts.role)
    if not present(facts):
        return None
    with report.loading():
        return Captioner(folder_of(facts), device)
