"""Encoded references lie on a worker's disk no longer than the set they were made from."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.conf import LazySettings

from gpu import lifecycle
from gpu.engine import contract
from styles.models import Style
from tests.training.ready import done_event, running_run
from training import encodings
from training.job import build_spec
from training.models import Run

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    """What a training has left, of a style whose run has ended."""
    settings.STATE_DIR = tmp_path
    _run, job = running_run()
    spec = build_spec(job, tmp_path / "attempt")
    assert isinstance(spec, contract.TrainLoraSpec)
    folder = Path(spec.cache_dir)
    folder.mkdir(parents=True)
    (folder / "latents.safetensors").write_bytes(b"latents")
    assert encodings.tidy() == 0  # it is running
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job, "stopped"))
    return folder


def test_they_stay_for_the_next_training_of_the_same_set(folder: Path) -> None:
    assert encodings.tidy() == 0
    assert encodings.folder_of(Run.objects.get()) == folder


def test_they_go_with_a_reference(folder: Path) -> None:
    reference = Style.objects.get().references.last()
    assert reference is not None
    reference.delete()

    assert encodings.tidy() == 1
    assert not folder.exists()


def test_they_go_with_the_style(folder: Path) -> None:
    style = Style.objects.get()
    style.deleted_at = style.created_at
    style.save()

    assert encodings.tidy() == 1
    assert not folder.exists()


def test_they_go_after_a_week(folder: Path) -> None:
    os.utime(folder, (time.time() - encodings.KEPT - 60,) * 2)

    assert encodings.tidy() == 1
    assert not folder.exists()


def test_a_folder_of_nobody_goes(folder: Path) -> None:
    stray = folder.with_name("stray")
    stray.mkdir()

    assert encodings.tidy() == 1
    assert not stray.exists()
