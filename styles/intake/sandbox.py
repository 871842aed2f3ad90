"""The small process that opens uploaded files. It may use little memory and time, and knows no secret.

Work lies in one folder: `in/0`, `in/1` … are the files; for each it writes `out/<n>/` with the copy, the thumbnail
(with `--pixels` the bare pixels instead) and last of all `result.json`. A file that ends the process leaves no result;
the caller starts another for the rest.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from styles.intake.confine import confine

MEMORY_BYTES = 2 << 30  # 50 megapixels with transparency and a turn need three quarters of it
FILE_BYTES = 64 << 20
SECONDS_A_FILE = 20

COPY = "copy.jpg"
THUMB = "thumb.webp"
PIXELS = "pixels.rgb"  # rows of red, green, blue: nothing on the other side has to be decoded
RESULT = "result.json"
THUMB_SIDE = 640


Look = Callable[[Path, Path], dict[str, Any]]


def main(work: Path, numbers: list[int], look: Look | None = None) -> None:
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, SECONDS_A_FILE * (len(numbers) + 1)),
    ):
        resource.setrlimit(limit, (value, value))
    # what is needed of our own code is loaded first: the folder it lies in may also hold the installation's secrets
    import styles.intake.decode
    import styles.intake.measure

    confine(work=work, forget=Path(styles.__path__[0]).parent)
    for number in numbers:
        signal.alarm(SECONDS_A_FILE)  # nobody catches it: it ends the process
        out = work / "out" / str(number)
        out.mkdir(parents=True, exist_ok=True)
        result = (look or inspect)(work / "in" / str(number), out)
        (out / "writing.json").write_text(json.dumps(result))
        (out / "writing.json").rename(out / RESULT)


def inspect(path: Path, out: Path) -> dict[str, Any]:
    """One file: its copy and thumbnail in `out`, and its figures, or the reason why it is refused."""
    from PIL import Image

    from styles.intake import measure
    from styles.intake.decode import decode
    from styles.intake.formats import Refused

    try:
        image, (width, height) = decode(path)
        # JPEG rather than lossless: an eighth of the size, ten times as fast to write, and without colour subsampling
        # its error is far below what a base's own encoder loses
        image.save(out / COPY, "JPEG", quality=95, subsampling=0)
        thumb = image.copy()
        thumb.thumbnail((THUMB_SIDE, THUMB_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        thumb.save(out / THUMB, "WEBP", quality=82, method=2)
        figures = {
            "width": width,
            "height": height,
            "phash": measure.phash(thumb),
            "sharpness": measure.sharpness(image),
            "tone": measure.tone(thumb),
            "blur": measure.blur(thumb),
            "features": measure.features(thumb),
        }
    except Refused as refused:
        return {"refused": refused.code, "facts": refused.facts}
    except MemoryError:
        return {"refused": "too_heavy", "facts": {}}
    return {"accepted": figures}


def pixels(path: Path, out: Path) -> dict[str, Any]:
    """One picture to work on: its bare pixels in `out`, or the reason why it is refused."""
    from styles.intake.decode import WORKED_ON, decode
    from styles.intake.formats import Refused

    try:
        image, _size = decode(path, WORKED_ON)
        (out / PIXELS).write_bytes(image.tobytes())
    except Refused as refused:
        return {"refused": refused.code, "facts": refused.facts}
    except MemoryError:
        return {"refused": "too_heavy", "facts": {}}
    return {"pixels": [image.width, image.height]}


if __name__ == "__main__":
    asked = [argument for argument in sys.argv[2:] if argument != "--pixels"]
    main(Path(sys.argv[1]), [int(number) for number in asked], pixels if len(asked) < len(sys.argv) - 2 else None)
