"""Films in the gallery: hung once, with their recipe inside, shown, played in parts and purged whole."""

from __future__ import annotations

import io
import re
import uuid
from datetime import timedelta
from pathlib import Path

import av
import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from config.kit import media
from gallery import actions, boxes, onward
from gpu.engine.mp4 import Mp4
from tests.builders import make_style, make_user, make_version
from tests.gallery.hanging import make_artwork, make_film, make_recipe, write_film
from tests.gallery.test_api import api_of
from tests.gallery.test_pages import browser_of, hung

pytestmark = pytest.mark.django_db


def frames_of(content: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(content)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def test_the_recipe_lies_in_the_film_and_its_frames_stay_as_they_are(tmp_path: Path) -> None:
    recipe = make_recipe(prompt="a fox in the snow, “at dawn”", tool="camera_move")
    plain = write_film(tmp_path)[0].read_bytes()
    marked = boxes.embedded(plain, recipe)
    with av.open(io.BytesIO(marked)) as film:
        assert film.metadata["comment"].startswith("a fox in the snow, “at dawn”\nSteps: 20")
        assert film.metadata["encoder"] == "ArtistCloner"
        film.seek(2_000_000)  # by the index, whose offsets have moved
        assert next(film.decode(video=0)).time >= 1.0
    for before, after in zip(frames_of(plain), frames_of(marked), strict=True):
        assert np.array_equal(before, after)
    assert marked.index(b"moov") < marked.index(b"mdat")
    assert b"trainedAlgorithmicMedia" in marked


@pytest.mark.parametrize("content", [b"", b"no film at all", b"\0\0\0\x10ftypisom\0\0\0\0", b"\xff\xff\xff\xffftyp"])
def test_what_is_no_film_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        boxes.embedded(content, make_recipe())


def test_a_film_hangs_once_with_its_poster_and_its_length(tmp_path: Path) -> None:
    film = make_film(tmp_path, prompt="a fox in the snow")
    assert (film.kind, film.seconds, film.width, film.height) == ("video", 4.0, 96, 128)
    assert film.filename == "a-fox-in-the-snow-7.mp4"
    content = media.read(film.key)
    assert (len(content), film.key[-4:]) == (film.bytes, ".mp4")
    poster = Image.open(io.BytesIO(media.read(film.poster_key)))
    assert (poster.format, poster.size) == ("PNG", (96, 128))
    assert poster.info["parameters"].startswith("a fox in the snow")
    again = actions.publish(
        owner=film.owner, job=film.job, file=Path("gone"), prompt="", seed=1, recipe={}, styles=[], kind="video"
    )
    assert again == film


def test_a_film_without_a_poster_is_a_mistake_of_ours(tmp_path: Path) -> None:
    file, _ = write_film(tmp_path)
    with pytest.raises(ValueError):
        actions.publish(
            owner=make_user(),
            job=uuid.uuid4(),
            file=file,
            prompt="",
            seed=1,
            recipe=make_recipe(),
            styles=[],
            kind="video",
        )


def test_purging_a_film_leaves_no_file(tmp_path: Path) -> None:
    film = make_film(tmp_path)
    actions.delete_artwork(artwork=film)
    assert actions.purge(now=timezone.now() + timedelta(days=31)) == 1
    assert [key for key in (film.key, film.poster_key, film.thumb_key) if media.exists(key)] == []


def test_its_page_has_a_player_that_starts_by_itself_in_no_case(tmp_path: Path) -> None:
    film = make_film(tmp_path)
    html = browser_of(film.owner).get(reverse("gallery:artwork", args=[film.public_id])).content.decode()
    (player,) = re.findall(r"<video[^>]*>", html)
    for attribute in ("controls", "playsinline", "poster=", 'width="96"', 'height="128"'):
        assert attribute in player
    assert "autoplay" not in player
    assert "The camera pushes in" in html  # how it was made
    assert "4 s" in html
    assert film.filename in html


def test_the_player_may_ask_for_parts(tmp_path: Path) -> None:
    film = make_film(tmp_path)
    part = Client().get(media.signed_url(film.key), headers={"Range": "bytes=100-199"})
    assert (part.status_code, part["Content-Range"]) == (206, f"bytes 100-199/{film.bytes}")
    answer = api_of(film.owner).get(f"/api/v1/artworks/{film.public_id}/file", headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer["Content-Type"], answer["Content-Length"]) == (206, "video/mp4", "10")


def test_the_wall_shows_its_poster_and_its_length_and_can_show_films_alone(tmp_path: Path) -> None:
    owner = make_user()
    picture, film = make_artwork(tmp_path, owner), make_film(tmp_path, owner)
    browser = browser_of(owner)
    wall = browser.get("/gallery/").content.decode()
    assert hung(wall) == [str(film.public_id), str(picture.public_id)]
    assert re.search(r"#play.*?Film,.*?4 s", wall, re.S)
    assert 'data-film="' in wall
    films = browser.get("/gallery/?kind=video").content.decode()
    assert hung(films) == [str(film.public_id)]
    assert "1 film found" in films
    assert hung(browser.get("/gallery/?kind=image").content.decode()) == [str(picture.public_id)]
    assert len(hung(browser.get("/gallery/?kind=nonsense").content.decode())) == 2


def test_pages_show_what_an_artwork_came_from_and_what_came_of_it(tmp_path: Path) -> None:
    owner = make_user()
    picture = make_artwork(tmp_path, owner, prompt="a grey hare")
    film = make_film(tmp_path, owner, prompt="the hare runs", parent=picture)
    browser = browser_of(owner)
    above = browser.get(reverse("gallery:artwork", args=[film.public_id])).content.decode()
    below = browser.get(reverse("gallery:artwork", args=[picture.public_id])).content.decode()
    assert "Made from" in above
    assert "Made of it" in below
    lineage = re.compile(r'<section[^>]*id="artwork-lineage".*?</section>', re.S)
    assert str(picture.public_id) in lineage.findall(above)[0]
    assert str(film.public_id) in lineage.findall(below)[0]
    actions.delete_artwork(artwork=film)
    assert "Made of it" not in browser.get(reverse("gallery:artwork", args=[picture.public_id])).content.decode()


def test_a_picture_that_comes_close_to_a_work_says_so_calmly(tmp_path: Path) -> None:
    owner = make_user()
    style = make_style(owner, works=3, name="Hedgerow")
    version = make_version(style)
    told = {"style": version.sha256, "work": "2", "similarity": 0.9, "hash_bits": 3, "near": True}
    picture = make_artwork(tmp_path, owner, style=style, adapter=version, likeness=told)
    browser = browser_of(owner)
    html = browser.get(reverse("gallery:artwork", args=[picture.public_id])).content.decode()
    assert re.search(r"comes very close to <a [^>]*>your work #2</a>; look at both", html)
    work = style.references.get(position=2)
    assert reverse("styles:work", args=[style.public_id, work.public_id]) in html
    assert media.signed_url(work.thumb_key).split("?")[0] in html
    assert "Close to a work" in browser.get("/gallery/").content.decode()
    told = api_of(owner).get(f"/api/v1/artworks/{picture.public_id}").json()["likeness"]
    assert told == {"near": True, "similarity": 0.9, "hash_bits": 3}
    work.deleted_at = timezone.now()
    work.save()
    html = browser.get(reverse("gallery:artwork", args=[picture.public_id])).content.decode()
    assert "comes very close to a work that “Hedgerow” was learned from" in html


def test_a_picture_that_was_made_freely_says_nothing(tmp_path: Path) -> None:
    owner = make_user()
    style = make_style(owner, works=3)
    version = make_version(style)
    told = {"style": version.sha256, "work": "2", "similarity": 0.3, "hash_bits": 30, "near": False}
    picture = make_artwork(tmp_path, owner, style=style, adapter=version, likeness=told)
    browser = browser_of(owner)
    assert "very close" not in browser.get(reverse("gallery:artwork", args=[picture.public_id])).content.decode()
    assert "Close to a work" not in browser.get("/gallery/").content.decode()


def test_one_goes_on_by_the_ways_that_other_rooms_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onward, "_ways", [])
    onward.register("Move the camera", "video", lambda artwork: f"/create/camera_move/?source={artwork.public_id}")
    onward.register("Nowhere", "ban", lambda artwork: "")
    picture = make_artwork(tmp_path)
    film = make_film(tmp_path, picture.owner)
    browser = browser_of(picture.owner)
    html = browser.get(reverse("gallery:artwork", args=[picture.public_id])).content.decode()
    assert f"/create/camera_move/?source={picture.public_id}" in html
    assert "Nowhere" not in html
    assert "Move the camera" not in browser.get(reverse("gallery:artwork", args=[film.public_id])).content.decode()


def test_the_api_tells_of_films(tmp_path: Path) -> None:
    owner = make_user()
    picture, film = make_artwork(tmp_path, owner), make_film(tmp_path, owner)
    api = api_of(owner)
    told = api.get(f"/api/v1/artworks/{film.public_id}").json()
    assert (told["kind"], told["seconds"], told["likeness"], told["parent"]) == ("video", 4.0, None, None)
    assert told["poster_url"].startswith("http://testserver/media/artworks/")
    assert api.get(f"/api/v1/artworks/{picture.public_id}").json()["poster_url"] == ""
    assert [one["id"] for one in api.get("/api/v1/artworks?kind=video").json()["items"]] == [str(film.public_id)]
    assert api.get("/api/v1/artworks?kind=sculpture").status_code == 422
    file = api.get(f"/api/v1/artworks/{film.public_id}/file")
    assert (file["Content-Type"], file["Content-Disposition"]) == (
        "video/mp4",
        'attachment; filename="a-fox-in-the-snow-7.mp4"',
    )
    assert b"".join(file.streaming_content) == media.read(film.key)  # type: ignore[arg-type]


def test_writing_a_film_of_odd_sides_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        Mp4(tmp_path / "odd.mp4", width=65, height=64, fps=24)
