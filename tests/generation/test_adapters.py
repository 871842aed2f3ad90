"""Weights on a worker's disk: verified, kept while they are used, and bounded."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from config.kit import media
from config.kit.errors import Refusal
from generation import adapters
from styles import actions
from styles.models import Adapter
from tests.builders import make_style

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_disk(tmp_path, settings):
    settings.STATE_DIR = tmp_path
    settings.WEIGHTS_CACHE_BYTES = 1000


def version(content: bytes, **fields) -> Adapter:
    adapter = actions.new_adapter(style=make_style(), base="starter", method="lora", rank=4, steps=1)
    sha256 = hashlib.sha256(content).hexdigest()
    key = media.save(f"tests/{sha256}.safetensors", content)
    for name, value in fields.items():
        setattr(adapter, name, value)
    adapter.save()
    return actions.finish_adapter(adapter=adapter, key=key, sha256=sha256, bytes=len(content), loss=0.1, steps=1)


def used_long_ago(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds, path.stat().st_mtime))


def test_a_version_is_fetched_once_under_its_hash():
    adapter = version(b"weights")
    path = adapters.on_disk(adapter)
    assert path.read_bytes() == b"weights"
    assert path.stem == adapter.sha256
    media.delete(adapter.key)
    assert adapters.on_disk(adapter) == path


def test_weights_that_are_not_what_was_learned_are_refused():
    adapter = version(b"weights")
    media.save(adapter.key, b"others!")
    with pytest.raises(Refusal) as refused:
        adapters.on_disk(adapter)
    assert refused.value.code == "version_damaged"
    assert list(Path(adapters._folder()).iterdir()) == []


def test_a_file_that_was_cut_is_fetched_anew():
    adapter = version(b"weights")
    path = adapters.on_disk(adapter)
    path.unlink()  # a link to the stored file; what follows must not reach that
    path.write_bytes(b"weig")
    assert adapters.on_disk(adapter).read_bytes() == b"weights"


def test_what_the_engine_doubts_is_fetched_anew():
    adapter = version(b"weights")
    path = adapters.on_disk(adapter)
    path.unlink()
    path.write_bytes(b"w3ights")
    adapters.forget(adapter)
    assert adapters.on_disk(adapter).read_bytes() == b"weights"


def test_what_was_used_longest_ago_goes_when_there_is_too_much():
    paths = []
    for number in range(3):
        paths.append(adapters.on_disk(version(bytes([number]) * 400)))
        used_long_ago(paths[-1], 3600 * (3 - number))
    adapters.on_disk(version(b"9" * 400))
    assert [path.exists() for path in paths] == [False, False, True]


def test_what_a_picture_may_be_using_stays_however_little_room_there_is(settings):
    settings.WEIGHTS_CACHE_BYTES = 0
    paths = [adapters.on_disk(version(bytes([number]) * 400)) for number in range(3)]
    assert all(path.exists() for path in paths)


def test_what_nobody_used_for_a_week_goes(settings):
    settings.WEIGHTS_CACHE_BYTES = 10**9
    old = adapters.on_disk(version(b"old"))
    used_long_ago(old, adapters.KEPT_FOR + 60)
    adapters.on_disk(version(b"new"))
    assert not old.exists()


def test_the_features_of_the_works_come_too_where_there_are_any():
    assert adapters.works_on_disk(version(b"plain")) == ""
    key = media.save("tests/works.safetensors", b"features")
    adapter = version(b"with works", works_key=key)
    path = Path(adapters.works_on_disk(adapter))
    assert path.read_bytes() == b"features"
    assert adapters.works_on_disk(adapter) == str(path)
    assert adapters.works_on_disk(version(b"erased", works_key="tests/gone.safetensors")) == ""
