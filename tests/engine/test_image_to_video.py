"""Films by a video model: our loop makes what diffusers' pipeline makes, in less memory, and tells how."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from diffusers import StableVideoDiffusionPipeline
from PIL import Image

from gpu.engine.contract import ImageToVideoSpec
from gpu.engine.failures import Failure
from gpu.engine.memory import Plan
from gpu.engine.pipelines import image_to_video
from gpu.engine.pipelines.image_to_video.cut import cut
from gpu.engine.pipelines.image_to_video.model import VideoModel, Wanted, largest_piece, load
from gpu.engine.pipelines.image_to_video.run import fitted, make
from gpu.engine.report import Interrupted
from gpu.engine.studio import Studio
from tests.engine.films import make_tiny_video_model
from tests.engine.makers import Heard

WANTED = Wanted(frames=14, steps=3, fps=6, motion=127, noise=0.02)
SEED = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_video_model(tmp_path_factory.mktemp("video") / "tiny")


@pytest.fixture
def video(folder: Path) -> VideoModel:
    return load(folder, torch.device("cpu"), torch.float32)


@pytest.fixture
def still(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(3).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    path = tmp_path / "still.png"
    Image.fromarray(pixels).resize((64, 48), Image.Resampling.BICUBIC).save(path)
    return path


def spec_of(folder: Path, out: Path, still: Path, **changes: Any) -> ImageToVideoSpec:
    facts: dict[str, Any] = {
        "model": str(folder),
        "out_dir": str(out),
        "source": str(still),
        "width": 64,
        "height": 64,
        "frames": 14,
        "seconds": 4,
        "fps": 6,
        "steps": 2,
        "seed": SEED,
    }
    return ImageToVideoSpec(**{**facts, **changes})


def latents_of(video: VideoModel, still: Path, plan: Plan, wanted: Wanted = WANTED) -> torch.Tensor:
    generator = torch.Generator().manual_seed(SEED)
    conditions = video.conditions(fitted(Image.open(still), 64, 48), wanted.noise, generator)
    return video.denoise(conditions, wanted, plan, generator, lambda _: None)


def made(spec: ImageToVideoSpec, heard: Heard | None = None) -> Heard:
    heard = heard or Heard()
    image_to_video.run(spec, Studio("cpu"), heard.report)
    return heard


@pytest.mark.parametrize("at_a_time", [2, 14])
def test_it_makes_what_the_pipeline_makes_from_the_same_noise(
    folder: Path, video: VideoModel, still: Path, at_a_time: int
) -> None:
    pipeline = StableVideoDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        Image.open(still),
        width=64,
        height=48,
        num_frames=14,
        num_inference_steps=WANTED.steps,
        fps=WANTED.fps,
        motion_bucket_id=WANTED.motion,
        noise_aug_strength=WANTED.noise,
        decode_chunk_size=at_a_time,
        generator=torch.Generator().manual_seed(SEED),
        output_type="pt",
    ).frames[0]
    latents = latents_of(video, still, Plan(sequential_guidance=True, chunks=7))
    ours = torch.stack(list(video.decode(latents, at_a_time)))
    assert ours.shape == theirs.shape == (14, 3, 48, 64)
    assert theirs.std() > 0.05  # a picture, not a flat field
    assert (ours - theirs).abs().max() < 1e-3


def test_one_half_of_guidance_after_the_other_is_exact(video: VideoModel, still: Path) -> None:
    both = latents_of(video, still, Plan())
    halves = latents_of(video, still, Plan(sequential_guidance=True))
    assert torch.allclose(both, halves, rtol=1e-4, atol=1e-4 * float(both.abs().max()))


@pytest.mark.parametrize("chunks", [2, 3, 14, 100])
def test_feed_forward_layers_in_pieces_are_exact(video: VideoModel, still: Path, chunks: int) -> None:
    whole = latents_of(video, still, Plan(sequential_guidance=True))
    pieces = latents_of(video, still, Plan(sequential_guidance=True, chunks=chunks))
    assert torch.allclose(whole, pieces, rtol=1e-4, atol=1e-4 * float(whole.abs().max()))


@pytest.mark.parametrize(("frames", "pieces", "size"), [(25, 1, 25), (25, 2, 5), (25, 5, 5), (25, 6, 1), (14, 3, 2)])
def test_pieces_divide_the_frames(frames: int, pieces: int, size: int) -> None:
    assert largest_piece(frames, pieces) == size
    assert frames % size == 0


def test_but_for_its_smoothing_over_time_frames_decoded_in_pairs_are_those_decoded_at_once(
    video: VideoModel, still: Path
) -> None:
    for name, weight in video.vae.decoder.named_parameters():
        if name.endswith("mix_factor"):
            weight.data.fill_(-1e4)  # nothing of the layers that look along time
    last = video.vae.decoder.time_conv_out
    last.weight.data.zero_()
    last.weight.data[:, :, 1, 0, 0] = torch.eye(3)
    latents = latents_of(video, still, Plan(), replace(WANTED, steps=1))
    whole, pairs = (torch.stack(list(video.decode(latents, n))) for n in (0, 2))
    assert whole.std() > 0.05
    assert (whole - pairs).abs().max() < 1e-4


def test_a_film_of_four_seconds_is_chained_and_smoothed_and_says_so(folder: Path, tmp_path: Path, still: Path) -> None:
    heard = made(spec_of(folder, tmp_path / "out", still))
    (artifact,) = heard.of("artifact")
    assert artifact.say == (
        "The model made 14 frames, then 14 more from the last of them. "
        "3 frames between each two are computed from their motion."
    )
    assert (artifact.seconds, artifact.fps, artifact.width, artifact.height) == (4.0, 24, 64, 64)
    with av.open(artifact.path) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.frames) == ("h264", "yuv420p", 96)
        assert float(stream.duration * stream.time_base) == 4.0
    content = Path(artifact.path).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert Image.open(artifact.poster).size == (64, 64)
    told = [event.fraction for event in heard.of("progress")]
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert [event.phase for event in heard.of("phase")] == ["preparing", "denoising", "finishing"]


@pytest.mark.parametrize(
    ("frames", "seconds", "fps", "segments", "factor", "say"),
    [
        (25, 4, 6, (25,), 4, "The model made 25 frames. 3 frames between"),
        (25, 6, 6, (25, 14), 4, "The model made 25 frames, then 14 more from the last of them. 3 frames between"),
        (25, 6, 4, (25,), 6, "The model made 25 frames. 5 frames between"),
        (25, 6, 12, (25, 25, 25), 2, "then 25 and 25 more in turn. One frame between each two is computed"),
        (14, 6, 6, (14, 14, 14), 4, "The model made 14 frames, then 14 and 14 more in turn."),
    ],
)
def test_how_seconds_are_reached(
    frames: int, seconds: int, fps: int, segments: tuple[int, ...], factor: int, say: str
) -> None:
    spec = spec_of(Path("m"), Path("o"), Path("s"), frames=frames, seconds=seconds, fps=fps)
    found = cut(spec, frames)
    assert (found.segments, found.factor) == (segments, factor)
    assert say in found.say
    assert sum(segments) - len(segments) + 1 >= found.shown == seconds * fps + 1


def test_more_than_the_model_can_chain_is_refused_before_anything_is_loaded(tmp_path: Path, still: Path) -> None:
    with pytest.raises(Failure) as refused:
        made(spec_of(tmp_path / "no model", tmp_path, still, seconds=6, fps=30))
    assert (refused.value.code, refused.value.retryable) == ("bad_spec", False)


def test_the_next_segment_begins_with_the_last_frame(folder: Path, video: VideoModel, tmp_path: Path) -> None:
    grey = tmp_path / "grey.png"
    Image.new("RGB", (64, 64), (120, 90, 60)).save(grey)
    seen: list[torch.Tensor] = []
    own = video.conditions
    video.conditions = lambda picture, *rest: seen.append(picture.clone()) or own(picture, *rest)  # type: ignore[method-assign, func-returns-value]
    decoded: list[torch.Tensor] = []
    decode = video.decode
    video.decode = lambda *all: (decoded.append(one) or one for one in decode(*all))  # type: ignore[method-assign, func-returns-value]
    make(spec_of(folder, tmp_path, grey), video, Image.open(grey), Plan(decode_frames=2), Heard().report)
    assert len(seen) == 2
    assert torch.equal(seen[1][0], decoded[13])


def test_the_same_seed_gives_the_same_film_and_another_another(folder: Path, tmp_path: Path, still: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        made(spec_of(folder, tmp_path / name, still, seed=seed))
    one, same, other = ((tmp_path / name / "film.mp4").read_bytes() for name in ("one", "same", "other"))
    assert one == same
    assert one != other


def test_a_cancel_is_heard_within_a_step(folder: Path, tmp_path: Path, still: Path) -> None:
    heard = Heard(after="progress")
    with pytest.raises(Interrupted):
        made(spec_of(folder, tmp_path / "out", still, steps=9), heard)
    assert len(heard.of("progress")) == 1
    assert heard.of("artifact") == []


def test_less_memory_makes_shorter_segments(folder: Path, video: VideoModel, tmp_path: Path, still: Path) -> None:
    heard = Heard()
    plan = replace(Plan(), frames=14, decode_frames=1, sequential_guidance=True, chunks=14)
    make(spec_of(folder, tmp_path, still, frames=25), video, Image.open(still), plan, heard.report)
    (artifact,) = heard.of("artifact")
    assert artifact.say.startswith("The model made 14 frames, then 14 more")


def test_a_model_that_is_not_there_or_broken_is_named(folder: Path, tmp_path: Path, still: Path) -> None:
    with pytest.raises(Failure) as missing:
        made(spec_of(tmp_path / "nothing", tmp_path, still))
    assert missing.value.code == "missing_file"
    broken = make_tiny_video_model(tmp_path / "broken")
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    with pytest.raises(Failure) as bad:
        made(spec_of(broken, tmp_path, still))
    assert bad.value.code == "bad_weights"


@pytest.mark.cuda
def test_on_a_gpu_it_stays_near_what_the_cpu_makes(folder: Path, video: VideoModel, still: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    plan = Plan(sequential_guidance=True, chunks=7, decode_frames=2)
    there = load(folder, torch.device("cuda:0"), torch.float16)
    generator = torch.Generator().manual_seed(SEED)
    conditions = there.conditions(fitted(Image.open(still), 64, 48), WANTED.noise, generator)
    there.unet.to("cuda:0")
    latents = there.denoise(conditions, WANTED, plan, generator, lambda _: None)
    ours = torch.stack([frame.cpu() for frame in there.decode(latents, 2)])
    reference = torch.stack(list(video.decode(latents_of(video, still, plan), 2)))
    assert (ours - reference).abs().mean() < 0.02
