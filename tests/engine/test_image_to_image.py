"""Pictures from a picture: where in the schedule it starts, and sources that cannot be used."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpu.engine.failures import Failure
from gpu.engine.pipelines.sources import fit, read_picture
from gpu.engine.studio import Studio
from tests.engine.makers import Heard, picture_spec
from tests.engine.pictures import image_to_image, made, pixels, run, source


def test_it_writes_a_picture_of_the_wanted_size_from_a_source_of_any(
    tiny_base: Path, studio: Studio, tmp_path: Path
) -> None:
    spec = image_to_image(
        tiny_base, tmp_path, source=str(source(tmp_path / "s.png", 90, 50)), strength=0.5, width=72, height=96
    )
    heard = run(spec, studio)
    assert made(spec).shape == (96, 72, 3)
    assert [event.phase for event in heard.of("phase")] == ["preparing", "denoising", "finishing"]
    (artifact,) = heard.of("artifact")
    assert (artifact.width, artifact.height) == (72, 96)


def test_at_full_strength_nothing_of_the_source_is_left(tiny_base: Path, studio: Studio, tmp_path: Path) -> None:
    plain = picture_spec(tiny_base, tmp_path / "plain")
    run(plain, studio)
    spec = image_to_image(tiny_base, tmp_path / "full", source=str(source(tmp_path / "s.png")), strength=1.0)
    run(spec, studio)
    assert np.array_equal(made(spec), made(plain))


def test_the_weaker_it_is_the_fewer_steps_it_takes(tiny_base: Path, studio: Studio, tmp_path: Path) -> None:
    path = str(source(tmp_path / "s.png"))
    for strength, steps in ((1.0, 10), (0.5, 5), (0.3, 3), (0.001, 1)):
        spec = image_to_image(tiny_base, tmp_path / "out", source=path, strength=strength, steps=10)
        progress = run(spec, studio).of("progress")
        assert {event.steps for event in progress} == {steps}


def test_the_weaker_it_is_the_nearer_it_stays(starter: Path, studio: Studio, tmp_path: Path) -> None:
    plain = picture_spec("starter", tmp_path / "plain", prompt="a red apple", width=128, height=128, steps=10)
    run(plain, studio)
    away = []
    for strength in (0.1, 0.5, 1.0):
        spec = image_to_image(
            Path("starter"), tmp_path / "out", source=str(tmp_path / "plain" / "picture.png"), strength=strength,
            width=128, height=128, steps=10, seed=8, prompt="a blue house",
        )  # fmt: skip
        run(spec, studio)
        away.append(np.abs(made(spec).astype(int) - made(plain)).mean())
    assert away[0] < away[1] < away[2]
    assert away[0] < 12


def test_the_same_spec_gives_the_same_file(tiny_base: Path, studio: Studio, tmp_path: Path) -> None:
    path = str(source(tmp_path / "s.png"))
    files = []
    for name in ("a", "b"):
        spec = image_to_image(tiny_base, tmp_path / name, source=path, strength=0.5)
        run(spec, studio)
        files.append((tmp_path / name / "picture.png").read_bytes())
    assert files[0] == files[1]


def test_it_ends_within_a_step_when_it_is_cancelled(tiny_base: Path, studio: Studio, tmp_path: Path) -> None:
    spec = image_to_image(tiny_base, tmp_path, source=str(source(tmp_path / "s.png")), strength=1.0, steps=50)
    heard = run(spec, studio, Heard(after="preview"))
    assert heard.of("done")[0].outcome == "cancelled"
    assert max(event.step for event in heard.of("progress")) <= 2
    assert not (tmp_path / "picture.png").exists()


# --- sources ---


def test_a_source_is_upright_rgb_and_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    lying = Image.new("RGB", (40, 20), "red")
    exif = lying.getexif()
    exif[0x0112] = 6
    lying.save(tmp_path / "lying.jpg", exif=exif)
    assert read_picture(str(tmp_path / "lying.jpg")).size == (20, 40)
    Image.new("RGBA", (8, 8), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(str(tmp_path / "clear.png")).getpixel((3, 3)) == (255, 255, 255)
    for mode in ("L", "P", "1", "CMYK", "I;16"):
        name = tmp_path / ("x.tiff" if mode == "CMYK" else "x.png")
        Image.new(mode, (8, 8)).save(name)
        assert read_picture(str(name)).mode == "RGB"


def test_a_source_of_the_wanted_size_is_not_resampled(tmp_path: Path) -> None:
    picture = read_picture(str(source(tmp_path / "s.png")))
    assert np.array_equal(np.asarray(fit(picture, (64, 64))), pixels(tmp_path / "s.png"))


def _bomb() -> bytes:
    """A PNG whose header promises 400 million pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _cut() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    return buffer.getvalue()[:60]


@pytest.mark.parametrize(
    ("content", "code", "say"),
    [
        (None, "missing_file", "could not be found"),
        (b"", "bad_image", "cannot be read"),
        (b"<svg onload='x'/>", "bad_image", "cannot be read"),
        (_cut(), "bad_image", "cannot be read"),
        (_bomb(), "bad_image", "smaller"),
    ],
)
def test_a_source_that_cannot_be_used_is_a_sentence(
    tiny_base: Path, studio: Studio, tmp_path: Path, content: bytes | None, code: str, say: str
) -> None:
    path = tmp_path / "s.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Failure, match=say) as failure:
        run(image_to_image(tiny_base, tmp_path, source=str(path), strength=0.5), studio)
    assert failure.value.code == code
    assert failure.value.retryable == (code == "missing_file")
