"""Fetching a model from the hub: file by file, going on where it stopped, each checksum verified."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpu.engine import choices
from gpu.engine.catalogue import ModelFacts, ModelFile
from gpu.engine.failures import Failure
from gpu.engine.hub import manifest
from gpu.engine.hub.checking import git_sha1_of, sha256_of
from gpu.engine.hub.manifest import Entry, Manifest, Voucher
from gpu.engine.hub.words import in_words

# (file, bytes of the model that are here, bytes of all of it)
Progress = Callable[[str, int, int], None]

SPARE = 512 * 2**20  # bytes of the disk that stay free
SAFE = (".safetensors", ".json", ".txt")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")


def target_of(model: ModelFacts) -> Path:
    return choices.models_dir() / model.name


def pull(model: ModelFacts, on_progress: Progress | None = None) -> Path:
    """Fetches what is missing of a model into `MODELS_DIR/<name>` and returns that folder.

    What is there is kept if its checksum holds; half a file goes on where it stopped. Raises Failure with a sentence:
    `offline`, `refused` (a licence to accept, a token), `missing_file` (not on the hub), `broken_off`, `bad_checksum`,
    `no_space` or `busy`.
    """
    folder = target_of(model)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, model):
        known = manifest.read(folder)
        entries = dict(known.files) if known and known.fits(model) else {}
        revision = model.revision or (known.revision if known else "")
        done = 0
        for file in model.files:
            download = _Download(model, file, folder, revision, entries.get(file.path), done, on_progress)
            entries[file.path] = download.run()
            revision = download.revision
            done += entries[file.path].bytes
            record = Manifest(model.name, model.repository, revision, model.licence.name, files=entries)
            manifest.write(folder, record)
    return folder


class _Download:
    """One file on its way."""

    def __init__(
        self,
        model: ModelFacts,
        file: ModelFile,
        folder: Path,
        revision: str,
        noted: Entry | None,
        before: int,
        on_progress: Progress | None,
    ) -> None:
        if not file.path.endswith(SAFE):
            raise ValueError(f"{file.path} is no safetensors, JSON or text file")
        self.model, self.file, self.revision, self.noted = model, file, revision, noted
        self.path = folder / file.path
        self.before, self.on_progress = before, on_progress

    def run(self) -> Entry:
        """Leaves the whole file at its place. Raises Failure."""
        expected = self.file.sha256 or (self.noted.sha256 if self.noted else "")
        if expected and self.path.is_file() and sha256_of(self.path) == expected:
            self.report(self.path.stat().st_size)
            return Entry(self.path.stat().st_size, expected, self._voucher(""))
        with in_words(self.model, self.file, self.path):
            return self._fetch(expected)

    def report(self, here: int) -> None:
        if self.on_progress:
            self.on_progress(self.file.path, self.before + here, max(self.model.bytes, self.before + here))

    def _fetch(self, expected: str) -> Entry:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        endpoint = os.environ.get("HF_ENDPOINT") or None
        url = hf_hub_url(self.model.repository, self.file.path, revision=self.revision or "main", endpoint=endpoint)
        headers = build_hf_headers()
        offered = get_hf_file_metadata(url, headers=headers, endpoint=endpoint)
        self.revision = self.revision or offered.commit_hash or ""
        etag = offered.etag or ""
        if expected and _SHA256.fullmatch(etag) and etag != expected:
            raise self._wrong(expected, etag)
        size = offered.size or self.file.bytes or None
        part = self.path.with_name(f"{self.path.name}.{(expected or etag)[:12]}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        here = part.stat().st_size if part.is_file() else 0
        if size is not None and here > size:
            part.unlink()
            here = 0
        _make_room(part.parent, (size or 0) - here, self.model)
        self.report(here)
        with part.open("ab") as file:
            bar = _bar(lambda arrived: self.report(arrived))
            http_get(url, file, resume_size=here, headers=headers, expected_size=size, tqdm_class=bar)
        return self._accept(part, expected, etag)

    def _accept(self, part: Path, expected: str, etag: str) -> Entry:
        found = sha256_of(part)
        wanted = expected or (etag if _SHA256.fullmatch(etag) else "")
        if wanted and found != wanted:
            part.unlink()
            raise self._wrong(wanted, found)
        if not wanted and _SHA1.fullmatch(etag) and git_sha1_of(part) != etag:
            part.unlink()
            raise self._wrong(etag, "another file")
        size = part.stat().st_size
        part.replace(self.path)
        return Entry(size, found, self._voucher(etag))

    def _voucher(self, etag: str) -> Voucher:
        if self.file.sha256:
            return "catalogue"
        if self.noted:
            return self.noted.vouched_by
        return "hub" if _SHA256.fullmatch(etag) else "first pull"

    def _wrong(self, expected: str, found: str) -> Failure:
        return Failure(
            "bad_checksum",
            f"{self.file.path} of “{self.model.title}” is not the file that was checked for this product. It was not "
            "kept. Try once more; if it happens again, the hub or something on the way changes it.",
            detail=f"expected {expected}, found {found}",
        )


def _bar(report: Callable[[int], None]) -> Any:
    """What the hub's client takes for a progress bar, to learn how many bytes of a file are here."""
    from tqdm.auto import tqdm  # type: ignore[import-untyped]

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.arrived = int(options.get("initial") or 0)
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.arrived += int(n or 0)
            report(self.arrived)

    return Bar


@contextmanager
def _alone(folder: Path, model: ModelFacts) -> Iterator[None]:
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failure("busy", f"“{model.title}” is being fetched by another process. Wait for it.") from error
        yield


def _make_room(folder: Path, wanted: int, model: ModelFacts) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted + SPARE:
        raise Failure(
            "no_space",
            f"“{model.title}” needs {wanted / 1e9:.1f} GB more on this disk, and {free / 1e9:.1f} GB are free. Make "
            "room, or choose another disk with MODELS_DIR.",
            detail=str(folder),
        )
