"""Films from pictures: what may be asked, what the engine is told, what is hung and what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.tokens import create_token
from billing.ledger import account_of
from billing.models import Entitlement
from config.kit.errors import Refusal
from gallery.models import Artwork
from generation import actions, tools
from generation.job import kind_of
from generation.models import Request
from generation.tools.camera_move import size_of
from gpu import lifecycle
from gpu.engine import contract
from gpu.models import Worker
from tests.gallery.hanging import make_artwork, make_film, write_film
from tests.generation.making import claimed, done, make_artist

pytestmark = pytest.mark.django_db


def move(picture: Artwork, **options: Any) -> Request:
    data = {"source": str(picture.public_id), "options": options}
    return actions.create_request(owner=picture.owner, tool="camera_move", data=data)


@pytest.fixture
def picture(tmp_path: Path) -> Artwork:
    return make_artwork(tmp_path, make_artist(), prompt="a fox in the snow", width=96, height=128)


@pytest.fixture
def on_a_gpu(settings: Any) -> None:
    settings.BASE_MODEL = "sdxl"
    Worker.objects.create(name="card", device="cuda:0 (a card)", seen_at=timezone.now())


def test_the_engine_gets_the_move_the_length_and_the_whole_picture(picture: Artwork, tmp_path: Path) -> None:
    request = move(picture, move="tilt_up", seconds="6")
    spec = kind_of("camera_move").build_spec(request.outputs.get().job, tmp_path)
    assert isinstance(spec, contract.CameraMoveSpec)
    assert (spec.move, spec.seconds, spec.width, spec.height) == ("tilt_up", 6, 384, 512)
    assert Path(spec.source).is_file()
    assert request.prompt == "a fox in the snow"


@pytest.mark.parametrize(
    ("own", "film"),
    [
        ((128, 128), (512, 512)),
        ((96, 128), (384, 512)),
        ((1024, 1024), (1024, 1024)),
        ((2048, 1024), (1280, 640)),
        ((1001, 777), (1000, 776)),
        ((1000, 20), (1000, 64)),
    ],
)
def test_a_film_has_the_shape_of_its_picture(own: tuple[int, int], film: tuple[int, int]) -> None:
    assert size_of(own) == film


def test_the_finished_film_hangs_beside_its_picture_and_is_paid(picture: Artwork, tmp_path: Path) -> None:
    output = move(picture).outputs.get()
    before = account_of(picture.owner).available
    job = claimed(output)
    file, poster = write_film(tmp_path, width=384, height=512)
    event = contract.Artifact(
        job=str(job.public_id), path=str(file), width=384, height=512, seed=0, poster=str(poster), seconds=4.0, fps=24,
        say="The camera pushes in over the still picture; nothing in it moves.",
    )  # fmt: skip
    assert lifecycle.deliver(job_id=job.public_id, fence=job.fence, event=event)
    assert lifecycle.succeed(job_id=job.public_id, fence=job.fence, done=done(job))
    film = Artwork.objects.get(parent=picture)
    assert (film.kind, film.seconds, film.width, film.height) == ("video", 4.0, 384, 512)
    assert film.recipe["say"].startswith("The camera pushes in")
    assert film.recipe["options"] == {"move": "push_in", "seconds": 4}
    account = account_of(picture.owner)
    assert (account.available, account.held) == (before, 0)
    assert job.price == 8
    page = browser_of(picture.owner).get(f"/gallery/{film.public_id}/").content.decode()
    assert f"/create/camera_move/?reuse={output.request.public_id}" in page
    assert "Film it again" in page


@pytest.mark.parametrize(
    ("options", "code", "say"),
    [
        ({"move": "barrel_roll"}, "bad_move", "push_in"),
        ({"move": ["push_in"]}, "bad_move", "push_in"),
        ({"seconds": 5}, "bad_seconds", "4 or 6"),
        ({"seconds": "many"}, "bad_seconds", "4 or 6"),
    ],
)
def test_what_cannot_be_filmed_gets_a_sentence(picture: Artwork, options: dict[str, Any], code: str, say: str) -> None:
    with pytest.raises(Refusal, match=say) as refused:
        move(picture, **options)
    assert refused.value.code == code


def test_a_film_starts_from_a_picture_of_ones_own_and_not_from_a_film(picture: Artwork, tmp_path: Path) -> None:
    film, theirs = make_film(tmp_path, picture.owner), make_artwork(tmp_path)
    for source in (str(film.public_id), str(theirs.public_id), ""):
        with pytest.raises(Refusal) as refused:
            actions.create_request(owner=picture.owner, tool="camera_move", data={"source": source})
        assert refused.value.code == "source_missing"


def test_a_plan_without_films_says_so_kindly(picture: Artwork, settings: Any) -> None:
    settings.BILLING = True
    with pytest.raises(Refusal, match="Films come with larger plans") as refused:
        move(picture)
    assert refused.value.code == "plan_video"
    Entitlement.objects.create(user=picture.owner, plan="starter")
    assert move(picture).outputs.get().job.price == 8


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_page_of_the_starter_says_that_only_the_camera_moves(picture: Artwork) -> None:
    html = browser_of(picture.owner).get(f"/create/camera_move/?source={picture.public_id}").content.decode()
    assert "Nothing in the picture moves, only the camera: the base “Starter” has no model for films." in html
    assert 'data-unit-price="8"' in html
    assert html.count('name="option_move"') == 6
    assert "Animate" not in html


def test_the_form_makes_a_film(picture: Artwork) -> None:
    form = {"source": str(picture.public_id), "option_move": "pan_left", "option_seconds": "6"}
    assert browser_of(picture.owner).post("/create/camera_move/", form).status_code == 302
    assert Request.objects.get().params["options"] == {"move": "pan_left", "seconds": 6}


def test_a_form_that_was_refused_stands_as_it_was_left(picture: Artwork, settings: Any) -> None:
    settings.BILLING = True
    form = {"source": str(picture.public_id), "option_move": "tilt_down", "option_seconds": "6"}
    answer = browser_of(picture.owner).post("/create/camera_move/", form)
    html = answer.content.decode()
    assert answer.status_code == 402
    assert "Films come with larger plans" in html
    assert 'name="option_move" value="tilt_down" checked' in html
    assert 'value="6" data-unit-price="8" checked' in html


def test_the_picture_leads_to_the_camera(picture: Artwork) -> None:
    html = browser_of(picture.owner).get(f"/gallery/{picture.public_id}/").content.decode()
    assert f"/create/camera_move/?source={picture.public_id}" in html


def test_the_api_makes_films(picture: Artwork) -> None:
    api = Client(headers={"Authorization": f"Bearer {create_token(user=picture.owner, name='tests')[1]}"})
    body = {"tool": "camera_move", "source": str(picture.public_id), "options": {"move": "pull_out", "seconds": 4}}
    answer = api.post("/api/v1/generate", json.dumps(body), content_type="application/json")
    assert answer.status_code == 202
    assert (answer.json()["options"], answer.json()["price"]) == ({"move": "pull_out", "seconds": 4}, 8)


# --- by a video model --------------------------------------------------------------------------------------------


def test_the_starter_does_not_offer_what_it_cannot_do(picture: Artwork) -> None:
    with pytest.raises(Refusal) as refused:
        actions.create_request(owner=picture.owner, tool="image_to_video", data={"source": str(picture.public_id)})
    assert refused.value.code == "unknown_tool"
    assert "image_to_video" not in [tool.name for tool in tools.offered()]


def test_without_a_gpu_it_is_not_offered_either(settings: Any) -> None:
    settings.BASE_MODEL = "sdxl"
    Worker.objects.create(name="processor", device="cpu", seen_at=timezone.now())
    assert "image_to_video" not in [tool.name for tool in tools.offered()]


@pytest.mark.usefixtures("on_a_gpu")
@pytest.mark.parametrize(("seconds", "price"), [(4, 5), (6, 8)])
def test_the_engine_gets_the_model_the_motion_and_the_seed(
    picture: Artwork, tmp_path: Path, seconds: int, price: int
) -> None:
    data = {"source": str(picture.public_id), "seed": 77, "options": {"seconds": seconds, "motion": 40}}
    request = actions.create_request(owner=picture.owner, tool="image_to_video", data=data)
    job = request.outputs.get().job
    spec = kind_of("image_to_video").build_spec(job, tmp_path)
    assert isinstance(spec, contract.ImageToVideoSpec)
    assert (spec.model, spec.seconds, spec.motion, spec.seed) == ("svd-xt", seconds, 40, 77)
    assert (spec.width, spec.height) == (640, 896)
    assert job.price == price


@pytest.mark.usefixtures("on_a_gpu")
def test_its_page_tells_the_price_of_each_length(picture: Artwork) -> None:
    html = browser_of(picture.owner).get(f"/create/image_to_video/?source={picture.public_id}").content.decode()
    assert 'value="4" data-unit-price="5" checked' in html
    assert 'value="6" data-unit-price="8"' in html


@pytest.mark.usefixtures("on_a_gpu")
@pytest.mark.parametrize("motion", [0, 256, "much", 1.5])
def test_motion_has_bounds(picture: Artwork, motion: Any) -> None:
    data = {"source": str(picture.public_id), "options": {"motion": motion}}
    with pytest.raises(Refusal, match="Motion must be a whole number from 1 to 255"):
        actions.create_request(owner=picture.owner, tool="image_to_video", data=data)
