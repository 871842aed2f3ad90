"""Tools that start from a picture: what they read, what they refuse, what the engine is told, what it becomes."""

from __future__ import annotations

import base64
import io
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image

from accounts.models import User
from config.kit import media
from config.kit.errors import Refusal
from gallery.actions import delete_artwork
from gallery.models import Artwork
from generation import actions, masks, sources, tools
from generation.job import kind_of
from generation.models import Request
from generation.recipes import recipe_of_request
from generation.tools import inpaint, outpaint
from generation.tools.shared import base_here
from gpu import lifecycle
from gpu.engine import catalogue, contract
from tests.builders import make_style, make_user, make_version
from tests.generation.making import ask, claimed, deliver, done, finish, make_artist

pytestmark = pytest.mark.django_db


def picture(owner: User, folder: Path, **wish: Any) -> Artwork:
    artwork = finish(ask(owner, **wish).outputs.get(), folder).artwork
    assert artwork is not None
    return artwork


def png(size: tuple[int, int] = (128, 128), colour: str = "teal", mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, "PNG")
    return out.getvalue()


def mask_of(size: tuple[int, int] = (128, 128), box: tuple[int, int, int, int] = (32, 32, 96, 96)) -> bytes:
    image = Image.new("L", size, 0)
    image.paste(255, box)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def make(owner: User, tool: str, **wish: Any) -> Request:
    data = {"prompt": "a fox in the snow", "count": 1, **wish}
    return actions.create_request(owner=owner, tool=tool, data=data)


def spec_of(request: Request, folder: Path) -> Any:
    output = request.outputs.get()
    return kind_of(request.tool).build_spec(output.job, folder)


@pytest.fixture
def artist() -> User:
    return make_artist()


# --- what is asked for ---


def test_a_variation_takes_the_shape_of_its_source(artist: User, tmp_path: Path) -> None:
    source = picture(artist, tmp_path, width=160, height=128)
    request = make(artist, "image_to_image", source=str(source.public_id), options={"strength": "0.4"})
    assert (request.params["width"], request.params["height"]) == (160, 128)
    assert (request.source, request.source_key) == (source, source.key)
    spec = spec_of(request, tmp_path)
    assert isinstance(spec, contract.ImageToImageSpec)
    assert spec.strength == 0.4
    with Image.open(spec.source) as laid:
        assert laid.size == (160, 128)


def test_a_source_is_cropped_to_the_size_that_is_asked_for(artist: User, tmp_path: Path) -> None:
    source = picture(artist, tmp_path)
    request = make(artist, "image_to_image", source=str(source.public_id), width=96, height=128)
    with Image.open(spec_of(request, tmp_path).source) as laid:
        assert laid.size == (96, 128)
    assert media.exists(source.key)
    with media.open_file(source.key) as file, Image.open(file) as kept:
        assert kept.size == (128, 128)  # the artwork itself is as it was


def test_inpainting_keeps_size_and_mask_to_the_last_point(artist: User, tmp_path: Path) -> None:
    source, mask = picture(artist, tmp_path), mask_of()
    request = make(artist, "inpaint", source=str(source.public_id), mask=uri(mask), options={"feather": 4})
    spec = spec_of(request, tmp_path)
    assert isinstance(spec, contract.InpaintSpec)
    assert (spec.width, spec.height, spec.feather, spec.strength) == (128, 128, 4, 1.0)
    with Image.open(spec.mask) as laid, Image.open(io.BytesIO(mask)) as sent:
        assert laid.mode == "L"
        assert np.array_equal(np.asarray(laid), np.asarray(sent))


def test_outpainting_says_where_the_picture_lies(artist: User, tmp_path: Path) -> None:
    source = picture(artist, tmp_path)
    options = {"left": 32, "top": "16", "bottom": 16}
    spec = spec_of(make(artist, "outpaint", source=str(source.public_id), options=options), tmp_path)
    assert isinstance(spec, contract.OutpaintSpec)
    assert (spec.width, spec.height, spec.left, spec.top, spec.scale) == (160, 160, 32, 16, 1.0)


def test_enlarging_needs_no_prompt_and_takes_the_sources(artist: User, tmp_path: Path) -> None:
    source = picture(artist, tmp_path, prompt="a hare")
    wish = {"source": str(source.public_id), "options": {"factor": 4, "strength": 0}}
    request = actions.create_request(owner=artist, tool="upscale", data=wish)
    assert (request.prompt, request.params["width"], request.params["height"]) == ("a hare", 512, 512)
    spec = spec_of(request, tmp_path)
    assert isinstance(spec, contract.UpscaleSpec)
    assert (spec.factor, spec.strength, spec.width, spec.height) == (4, 0.0, 128, 128)


def test_every_tool_that_starts_from_a_picture_asks_for_one(artist: User) -> None:
    starting = [tool for tool in tools.offered() if tool.needs_source]
    assert {tool.name for tool in starting} >= {"image_to_image", "inpaint", "outpaint", "upscale"}
    for tool in starting:
        with pytest.raises(Refusal, match="Choose the picture") as refused:
            make(artist, tool.name)
        assert refused.value.field == "source"


def test_nobody_starts_from_what_is_not_theirs_or_was_deleted(artist: User, tmp_path: Path) -> None:
    theirs, gone = picture(make_artist(), tmp_path), picture(artist, tmp_path)
    upload = sources.upload(make_user(), ContentFile(png()))
    delete_artwork(artwork=gone)
    for value in (theirs.public_id, gone.public_id, upload.id, uuid.uuid4(), "nonsense"):
        with pytest.raises(Refusal, match="not among yours"):
            make(artist, "image_to_image", source=str(value))


@pytest.mark.parametrize(
    ("tool", "options", "field", "says"),
    [
        ("image_to_image", {"strength": 0}, "strength", r"from 0\.1 to 1"),
        ("image_to_image", {"strength": "much"}, "strength", r"from 0\.1 to 1"),
        ("image_to_image", [], "options", ""),
        ("outpaint", {}, "left", "nothing was added"),
        ("outpaint", {"left": 8}, "left", "multiple of 32"),
        ("outpaint", {"top": 160}, "top", "256 are the most"),
        ("outpaint", {"left": -32}, "left", "from 0 to 256"),
        ("upscale", {"factor": 3}, "factor", "2 or 4 times"),
        ("upscale", {"strength": 0.7}, "strength", r"from 0 to 0\.6"),
    ],
)
def test_options_out_of_bounds_get_a_sentence(
    artist: User, tmp_path: Path, tool: str, options: Any, field: str, says: str
) -> None:
    source = picture(artist, tmp_path)
    if options == []:
        options, says = ["strength"], "own settings"
    with pytest.raises(Refusal, match=says) as refused:
        make(artist, tool, source=str(source.public_id), options=options)
    assert refused.value.field == field


def test_nothing_grows_beyond_4096_pixels(artist: User) -> None:
    large = sources.upload(artist, ContentFile(png((1280, 720))))
    with pytest.raises(Refusal, match="5120 × 2880; 4096 pixels"):
        make(artist, "upscale", source=large.id, options={"factor": 4})
    assert make(artist, "upscale", source=large.id).params["width"] == 2560


# --- masks ---


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (None, "Paint over"),
        (mask_of((64, 64), (8, 8, 9, 9)), "64 × 64 pixels and the picture 128 × 128"),
        (mask_of(box=(0, 0, 0, 0)), "Nothing is marked"),
        (mask_of(box=(0, 0, 128, 128)), "Everything is marked"),
        (b"no picture at all", "no picture"),
        (b"", "empty"),
        (mask_of()[:60], "breaks off|damaged|safely"),
    ],
)
def test_a_mask_that_cannot_be_used_gets_a_sentence(
    artist: User, tmp_path: Path, mask: bytes | None, says: str
) -> None:
    source = picture(artist, tmp_path)
    with pytest.raises(Refusal, match=says) as refused:
        make(artist, "inpaint", source=str(source.public_id), mask=uri(mask) if mask is not None else "")
    assert refused.value.field == "mask"
    assert Request.objects.filter(tool="inpaint").count() == 0


def test_a_mask_may_be_a_file_an_upload_or_an_earlier_ones(artist: User, tmp_path: Path) -> None:
    source = str(picture(artist, tmp_path).public_id)
    upload = sources.upload(artist, ContentFile(mask_of()))
    first = make(artist, "inpaint", source=source, mask=ContentFile(mask_of()))
    second = make(artist, "inpaint", source=source, mask=upload.id)
    third = make(artist, "inpaint", source=source, mask=str(first.public_id))
    contents = {media.read(request.mask_key) for request in (first, second, third)}
    assert len(contents) == 1
    assert len({request.mask_key for request in (first, second, third)}) == 3
    with pytest.raises(Refusal, match="neither"):
        make(artist, "inpaint", source=source, mask=str(uuid.uuid4()))
    stranger = make_artist()
    theirs = str(picture(stranger, tmp_path).public_id)
    with pytest.raises(Refusal, match="neither"):
        make(stranger, "inpaint", source=theirs, mask=str(first.public_id))


def test_a_masks_greys_and_clear_parts_are_kept_apart(artist: User) -> None:
    """What is transparent is to be drawn, as other tools have it."""
    clear = Image.new("RGBA", (128, 128), (0, 0, 0, 255))
    clear.paste((0, 0, 0, 0), (32, 32, 96, 96))
    out = io.BytesIO()
    clear.save(out, "PNG")
    read = masks.read(artist, {"mask": uri(out.getvalue())}, (128, 128))
    assert read == masks.read(artist, {"mask": uri(mask_of())}, (128, 128))


# --- uploads ---


def test_an_upload_keeps_no_metadata_and_its_shape(artist: User, tmp_path: Path) -> None:
    photo = Image.new("RGB", (300, 200), "olive")
    exif = photo.getexif()
    exif[0x0112] = 6  # lies on its side
    exif.get_ifd(0x8825)[1] = "N"
    out = io.BytesIO()
    photo.save(out, "JPEG", exif=exif)
    source = actions.upload_source(owner=artist, file=ContentFile(out.getvalue()))
    assert source.size == (200, 300)
    content = media.read(source.key)
    with Image.open(io.BytesIO(content)) as kept:
        assert (kept.format, kept.mode, dict(kept.getexif())) == ("PNG", "RGB", {})
    assert b"eXIf" not in content
    request = make(artist, "image_to_image", source=source.id)
    assert (request.source, request.source_key) == (None, source.key)
    assert (request.params["width"], request.params["height"]) == (96, 128)
    with Image.open(spec_of(request, tmp_path).source) as laid:
        assert laid.size == (96, 128)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"PK\x03\x04 and so on", "archive"),
        (png((20, 20)), "at least 64 pixels"),
        (png()[:80], "breaks off|damaged|safely"),
    ],
)
def test_a_file_that_is_no_picture_gets_a_sentence(artist: User, content: bytes, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        actions.upload_source(owner=artist, file=ContentFile(content, name="file"))
    assert refused.value.status == 422


def test_uploads_that_nobody_used_go_after_a_week(artist: User) -> None:
    used, unused = (sources.upload(artist, ContentFile(png())) for _ in range(2))
    request = make(artist, "image_to_image", source=used.id)
    now = timezone.now()
    sources.purge_uploads(now=now + timedelta(days=6))
    assert (media.exists(used.key), media.exists(unused.key)) == (True, True)
    sources.purge_uploads(now=now + timedelta(days=8))
    assert (media.exists(used.key), media.exists(unused.key)) == (True, False)
    actions.delete_request(request=request)
    assert sources.purge_uploads(now=now + timedelta(days=8)) == 1
    assert not media.exists(used.key)


# --- sizes ---


@pytest.mark.parametrize(
    ("size", "base", "longest", "expected"),
    [
        ((128, 128), catalogue.STARTER, 256, (128, 128)),
        ((512, 512), catalogue.STARTER, 256, (256, 256)),
        ((150, 100), catalogue.STARTER, 256, (160, 96)),
        ((4000, 3000), catalogue.SDXL, 2048, (2048, 1536)),
        ((128, 128), catalogue.SDXL, 2048, (512, 512)),
        ((2048, 64), catalogue.STARTER, 256, (256, 64)),
    ],
)
def test_a_picture_is_worked_on_at_a_size_the_base_can_take(
    size: tuple[int, int], base: catalogue.BaseFacts, longest: int, expected: tuple[int, int]
) -> None:
    found = sources.nearby(size, base, longest=longest)
    assert found == expected
    assert found[0] % base.stride == found[1] % base.stride == 0


def test_a_large_picture_is_reduced_before_it_is_continued(artist: User) -> None:
    large = sources.upload(artist, ContentFile(png((1024, 1024))))
    room = outpaint.room(large, base_here())
    assert (room.width, room.height, room.most) == (160, 160, 256)
    assert inpaint.working_size(large) == (256, 256)


# --- what becomes of it ---


def test_what_is_made_from_a_picture_is_its_child(artist: User, tmp_path: Path) -> None:
    source = picture(artist, tmp_path)
    request = make(artist, "inpaint", source=str(source.public_id), mask=uri(mask_of()))
    made = finish(request.outputs.get(), tmp_path).artwork
    assert made is not None
    assert made.parent == source
    assert (made.recipe["tool"], made.recipe["source"]) == ("inpaint", str(source.public_id))
    assert made.recipe["options"] == {"strength": 1.0, "feather": 8}


def test_the_same_again_starts_from_the_same_picture_with_the_same_mask(artist: User, tmp_path: Path) -> None:
    upload = sources.upload(artist, ContentFile(png()))
    first = make(artist, "inpaint", source=upload.id, mask=uri(mask_of()), tier="draft")
    again = actions.create_request(owner=artist, tool="inpaint", data=recipe_of_request(first))
    assert again.params == first.params
    assert again.source_key == first.source_key
    assert media.read(again.mask_key) == media.read(first.mask_key)


def test_a_source_that_was_purged_meanwhile_ends_the_job_with_a_sentence(artist: User, tmp_path: Path) -> None:
    upload = sources.upload(artist, ContentFile(png()))
    request = make(artist, "image_to_image", source=upload.id)
    media.delete(upload.key)
    with pytest.raises(Refusal, match="deleted meanwhile"):
        spec_of(request, tmp_path)


@pytest.mark.django_db(transaction=True)
def test_a_deleted_request_leaves_no_mask(artist: User, tmp_path: Path) -> None:
    source = picture(artist, tmp_path)
    request = make(artist, "inpaint", source=str(source.public_id), mask=uri(mask_of()))
    assert media.exists(request.mask_key)
    actions.delete_request(request=request)
    assert not media.exists(request.mask_key)


def test_the_nearest_work_of_all_styles_goes_with_the_picture(artist: User, tmp_path: Path) -> None:
    output = ask(artist).outputs.get()
    job = claimed(output)
    for work, similarity in (("one", 0.5), ("two", 0.9), ("three", 0.7)):
        event = contract.Likeness(
            job=str(job.public_id), style="a" * 64, work=work, similarity=similarity, hash_bits=4, near=similarity > 0.8
        )
        assert lifecycle.deliver(job_id=job.public_id, fence=job.fence, event=event)
    deliver(job, tmp_path)
    lifecycle.succeed(job_id=job.public_id, fence=job.fence, done=done(job))
    likeness = Artwork.objects.get().likeness
    assert (likeness["work"], likeness["near"], likeness["hash_bits"]) == ("two", True, 4)


# --- tiers ---


def test_draft_is_asked_for_and_kept_in_the_recipe(artist: User, tmp_path: Path) -> None:
    request = ask(artist, tier="draft")
    spec = spec_of(request, tmp_path)
    assert spec.tier == "draft"
    assert recipe_of_request(request)["tier"] == "draft"
    made = finish(request.outputs.get(), tmp_path).artwork
    assert made is not None
    assert made.recipe["tier"] == "draft"


def test_a_tier_the_base_has_not_got_gets_a_sentence(artist: User) -> None:
    with pytest.raises(Refusal, match="fine, draft") as refused:
        ask(artist, tier="fast")
    assert refused.value.field == "tier"


def test_fast_sets_steps_and_guidance_itself(artist: User, settings: Any) -> None:
    settings.BASE_MODEL = "sdxl"
    params = ask(artist, tier="fast", steps=40, guidance=9).params
    assert (params["steps"], params["guidance"]) == (catalogue.SDXL.fast_steps, 1.0)


# --- the line ---


def test_another_size_or_many_more_steps_make_another_affinity(artist: User) -> None:
    style = make_style(artist)
    make_version(style)
    mix = [{"id": style.public_id}]

    def affinity(**wish: Any) -> str:
        return ask(artist, styles=mix, **wish).outputs.get().job.affinity

    assert affinity(steps=19) == affinity(steps=20) == affinity(steps=20, prompt="a hare")
    assert affinity(steps=20) != affinity(steps=30)
    assert affinity(width=96, height=128) != affinity()
    assert affinity(tier="draft") != affinity()
