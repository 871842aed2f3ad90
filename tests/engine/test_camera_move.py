"""Films of a still: readable, of the right length, and without a tremble."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from gpu.engine.contract import CameraMoveSpec
from gpu.engine.failures import Failure
from gpu.engine.mp4 import Mp4
from gpu.engine.pipelines import camera_move
from gpu.engine.pipelines.camera_move import MOVES, View, box_of, filmed
from gpu.engine.report import Interrupted
from tests.engine.makers import Heard


def spec_of(out: Path, source: Path, **changes: Any) -> CameraMoveSpec:
    facts: dict[str, Any] = {"out_dir": str(out), "source": str(source), "width": 96, "height": 96, "fps": 12}
    return CameraMoveSpec(**{**facts, **changes})


def made(spec: CameraMoveSpec, heard: Heard | None = None) -> Heard:
    heard = heard or Heard()
    camera_move.run(spec, None, heard.report)
    return heard


def decoded(path: Path) -> list[np.ndarray[Any, Any]]:
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def boxes(path: Path) -> list[str]:
    """The names of the outermost boxes of an MP4, in their order."""
    content, at, names = path.read_bytes(), 0, []
    while at < len(content):
        size, name = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8].decode()
        names.append(name)
        at += size
    return names


@pytest.fixture
def dot(tmp_path: Path) -> Path:
    """A soft bright dot, a little below the middle, on a dark ground."""
    y, x = np.mgrid[0:200, 0:240]
    light = 30 + 200 * np.exp(-((x - 120.0) ** 2 + (y - 110.0) ** 2) / (2 * 9.0**2))
    path = tmp_path / "dot.png"
    Image.fromarray(np.repeat(light[..., None], 3, axis=2).round().astype(np.uint8)).save(path)
    return path


def test_every_browser_can_play_it_from_its_first_bytes(tmp_path: Path, paintings: list[Path]) -> None:
    spec = spec_of(tmp_path / "out", paintings[0], width=160, height=96, seconds=4, fps=24)
    heard = made(spec)
    (artifact,) = heard.of("artifact")
    with av.open(artifact.path) as film:
        stream = film.streams.video[0]
        coder = stream.codec_context
        assert (coder.name, coder.pix_fmt, coder.profile) == ("h264", "yuv420p", "High")
        assert (coder.width, coder.height, stream.average_rate, stream.frames) == (160, 96, 24, 96)
        assert float(stream.duration * stream.time_base) == 4.0
        assert (coder.colorspace, coder.color_range) == (1, 1)  # BT.709, limited
    names = boxes(Path(artifact.path))
    assert names.index("moov") < names.index("mdat")
    assert (artifact.seconds, artifact.fps, artifact.width, artifact.height) == (4.0, 24, 160, 96)
    assert artifact.say == "The camera pushes in over the still picture; nothing in it moves."


def test_the_poster_is_the_first_frame(tmp_path: Path, dot: Path) -> None:
    (artifact,) = made(spec_of(tmp_path / "out", dot)).of("artifact")
    poster = np.asarray(Image.open(artifact.poster), dtype=int)
    first = decoded(Path(artifact.path))[0].astype(int)
    assert poster.shape == (96, 96, 3)
    assert abs(poster - first).mean() < 2  # what colours lose in a film


def test_colours_come_out_as_they_went_in(tmp_path: Path) -> None:
    colours = [(200, 40, 40), (30, 160, 60), (40, 60, 200), (255, 255, 255), (0, 0, 0), (128, 128, 128)]
    with Mp4(tmp_path / "film.mp4", width=64, height=64, fps=6) as film:
        for colour in colours:
            film.add(np.full((64, 64, 3), colour, dtype=np.uint8))
    for colour, frame in zip(colours, decoded(tmp_path / "film.mp4"), strict=True):
        assert abs(frame.astype(int) - colour).max() <= 4


@pytest.mark.parametrize(("move", "sign"), [("pan_left", 1), ("pan_right", -1)])
def test_a_pan_moves_smoothly_between_the_pixels(tmp_path: Path, dot: Path, move: Any, sign: int) -> None:
    spec = spec_of(tmp_path, dot, move=move, seconds=4, fps=24)
    still = Image.open(dot).convert("RGB")
    places = []
    for frame in filmed(still, spec):
        light = frame[..., 0].astype(float) - 30
        light[light < 5] = 0
        places.append((light.sum(axis=0) * np.arange(96)).sum() / light.sum())
    truth = []
    for number in range(96):
        view = camera_move.between(*MOVES[move], camera_move.eased(number / 95))
        left, _, right, _ = box_of(view, 240, 200, 1.0)
        truth.append((120.5 - left) * 96 / (right - left) - 0.5)
    steps = np.diff(places) * sign
    assert steps.min() > -0.02  # never back
    assert steps.max() < 1  # slower than a pixel a frame: whole pixels would show as a stutter
    assert np.abs(np.array(places) - truth).max() < 0.05


def test_a_push_in_ends_nearer_by_what_it_promises(tmp_path: Path, dot: Path) -> None:
    still = Image.open(dot).convert("RGB")
    frames = list(filmed(still, spec_of(tmp_path, dot, move="push_in")))
    spread = [np.sqrt((frame[..., 0] > 130).sum()) for frame in (frames[0], frames[-1])]
    assert spread[1] / spread[0] == pytest.approx(camera_move.NEAR, abs=0.06)
    backwards = list(filmed(still, spec_of(tmp_path, dot, move="pull_out")))
    assert np.array_equal(frames[0], backwards[-1])


@pytest.mark.parametrize("move", list(MOVES))
@pytest.mark.parametrize("size", [(1000, 400), (400, 1000), (512, 512)])
def test_the_camera_never_looks_beyond_the_picture(move: Any, size: tuple[int, int]) -> None:
    for share in (0.0, 0.3, 1.0):
        left, top, right, bottom = box_of(camera_move.between(*MOVES[move], share), *size, 16 / 9)
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert (right - left) / (bottom - top) == pytest.approx(16 / 9)
    assert box_of(View(1.0), 512, 512, 1.0) == (0, 0, 512, 512)


def test_the_same_spec_gives_the_same_film(tmp_path: Path, dot: Path) -> None:
    for folder in ("one", "two"):
        made(spec_of(tmp_path / folder, dot))
    assert (tmp_path / "one/film.mp4").read_bytes() == (tmp_path / "two/film.mp4").read_bytes()


def test_it_tells_how_far_it_is_and_shows_what_it_films(tmp_path: Path, dot: Path) -> None:
    heard = made(spec_of(tmp_path, dot))
    told = [event.fraction for event in heard.of("progress")]
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert [event.phase for event in heard.of("phase")] == ["preparing", "filming"]
    assert heard.of("preview")


def test_a_cancel_is_heard_within_a_frame_and_leaves_no_file(tmp_path: Path, dot: Path) -> None:
    heard = Heard(after="progress")
    with pytest.raises(Interrupted):
        made(spec_of(tmp_path / "out", dot), heard)
    assert heard.of("artifact") == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["poster.png"]


def test_a_picture_that_is_not_there_or_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure) as missing:
        made(spec_of(tmp_path, tmp_path / "nothing.png"))
    assert missing.value.code == "missing_file"
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(Failure) as broken:
        made(spec_of(tmp_path, tmp_path / "text.png"))
    assert (broken.value.code, broken.value.retryable) == ("bad_image", False)


def test_it_needs_no_torch() -> None:
    say = "import sys, gpu.engine.pipelines.camera_move; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", say], check=False).returncode == 0
