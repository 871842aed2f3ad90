"""The ZIP itself: names, memory, and files that break off."""

from __future__ import annotations

import errno
import io
import json
import zipfile
from pathlib import Path

import pytest

from accounts.exporting import Archive
from config.kit import media


def archive_of(path: Path) -> Archive:
    return Archive(path / "x.zip")


def test_names_stay_inside_and_are_met_once(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    archive.enter("styles")
    key = media.save("tests/export/1.png", b"x")
    names = [
        archive.file(name, key)
        for name in ("../../etc/passwd", "/abs.png", "a.png", "A.png", "a\x00b:c*.png", "…/" + "x" * 300, "..")
    ]
    archive.close({})
    assert len(set(map(str.casefold, names))) == len(names)
    for name in names:
        assert name.startswith("styles/")
        assert ".." not in name.split("/")
        assert len(name) < 230
    assert names[2:4] == ["styles/a.png", "styles/A-2.png"]


def test_a_large_file_is_never_whole_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media.save("tests/export/large.bin", b"x" * 5_000_000)
    asked: list[int] = []

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size or -1)
            return super().read(size)

    monkeypatch.setattr(media, "open_file", lambda key: Source(b"x" * 5_000_000))
    archive = archive_of(tmp_path)
    archive.file("large.bin", "tests/export/large.bin")
    archive.close({})
    assert set(asked) == {1024 * 1024}


def test_a_file_that_breaks_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(errno.EIO, "bad sector")
            return super().read(3)

    monkeypatch.setattr(media, "open_file", lambda key: Broken(b"abcdef"))
    archive = archive_of(tmp_path)
    assert archive.file("half.bin", "tests/half") == "half.bin"
    archive.close({})
    whole = zipfile.ZipFile(tmp_path / "x.zip")
    assert whole.read("half.bin") == b"abc"
    assert "to its end" in json.loads(whole.read("manifest.json"))["could_not_be_read"][0]["why"]
