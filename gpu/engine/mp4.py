"""Films as files: H.264 in an MP4 that starts to play before it is there as a whole. No torch."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # (height, width, 3), sRGB

QUALITY = 18  # x264's constant rate factor: drawn edges show no blocks, and a second of 1024 px stays near a megabyte
KEYFRAME_SECONDS = 1  # a player can jump to any second
_BT709 = 1  # in the tables of H.264's annex E, for primaries, transfer and matrix alike
_LIMITED = 1  # luma from 16 to 235, what every player expects


class Mp4:
    """A film being written. Nothing lies at `path` until the block has ended well.

    Sides must be even: yuv420p keeps one colour for two dots by two. The same frames give the same film.
    """

    def __init__(self, path: Path, *, width: int, height: int, fps: int) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"the sides of a film are even: {width}x{height}")
        self.path = path
        self.frames = 0
        self._part = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        # faststart: the index is moved in front of the pictures, so that a browser need not fetch the end first
        self._container: Any = av.open(str(self._part), "w", format="mp4", options={"movflags": "+faststart"})
        # x264's macroblock tree reads memory that nobody has written, where a film is small: its bytes would differ
        options = {"crf": str(QUALITY), "preset": "fast", "profile": "high", "x264-params": "mbtree=0"}
        self._stream: Any = self._container.add_stream("libx264", rate=fps, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        coder = self._stream.codec_context
        coder.gop_size = fps * KEYFRAME_SECONDS
        coder.color_range = _LIMITED
        coder.color_primaries = coder.color_trc = coder.colorspace = _BT709
        self._reformatter = VideoReformatter()

    def add(self, frame: Frame) -> None:
        picture = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        picture.pts = self.frames
        self.frames += 1
        self._container.mux(self._stream.encode(picture))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            if kind is None:
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)
