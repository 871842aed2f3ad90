"""The gallery through the public API."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image

from accounts.models import User
from accounts.tokens import create_token
from tests.builders import make_style, make_user
from tests.gallery.hanging import make_artwork

pytestmark = pytest.mark.django_db


def api_of(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {create_token(user=user, name='tests')[1]}"})


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200
    return [one["id"] for one in answer.json()["items"]]


def test_the_gallery_is_paged_newest_first_and_nothing_is_skipped_when_a_picture_comes_between(tmp_path: Path) -> None:
    owner = make_user()
    hung = [str(make_artwork(tmp_path, owner).public_id) for _ in range(5)]
    api = api_of(owner)
    first = api.get("/api/v1/artworks?limit=2").json()
    make_artwork(tmp_path, owner)
    second = api.get(f"/api/v1/artworks?limit=2&cursor={first['next']}").json()
    third = api.get(f"/api/v1/artworks?limit=2&cursor={second['next']}").json()
    assert [one["id"] for one in first["items"] + second["items"] + third["items"]] == hung[::-1]
    assert third["next"] is None


def test_filters(tmp_path: Path) -> None:
    owner = make_user()
    style = make_style(owner)
    fox = make_artwork(tmp_path, owner, prompt="a red fox", style=style)
    hare = make_artwork(tmp_path, owner, prompt="a grey hare")
    api = api_of(owner)
    api.patch(f"/api/v1/artworks/{hare.public_id}", json.dumps({"favourite": True}), content_type="application/json")
    assert ids(api.get(f"/api/v1/artworks?style={style.public_id}")) == [str(fox.public_id)]
    assert ids(api.get("/api/v1/artworks?favourite=true")) == [str(hare.public_id)]
    assert ids(api.get("/api/v1/artworks?q=FOX red")) == [str(fox.public_id)]
    assert ids(api.get("/api/v1/artworks?q=unicorn")) == []
    assert api.get("/api/v1/artworks", {"q": "a\x00b"}).status_code == 422
    assert api.get("/api/v1/artworks", {"style": "nonsense"}).status_code == 422


def test_a_picture_is_marked_described_and_deleted(tmp_path: Path) -> None:
    artwork = make_artwork(tmp_path)
    api, path = api_of(artwork.owner), f"/api/v1/artworks/{artwork.public_id}"
    change = {"favourite": True, "alt_text": "  A fox,\nasleep "}
    answer = api.patch(path, json.dumps(change), content_type="application/json").json()
    assert (answer["favourite"], answer["alt_text"]) == (True, "A fox, asleep")
    too_long = api.patch(path, json.dumps({"alt_text": "x" * 501}), content_type="application/json")
    assert too_long.status_code == 422
    assert "500 are the most" in too_long.json()["detail"]
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert ids(api.get("/api/v1/artworks")) == []


def test_the_file_is_the_png_with_its_recipe(tmp_path: Path) -> None:
    artwork = make_artwork(tmp_path)
    answer = api_of(artwork.owner).get(f"/api/v1/artworks/{artwork.public_id}/file")
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Disposition"] == 'attachment; filename="a-fox-in-the-snow-7.png"'
    content = b"".join(answer.streaming_content)  # type: ignore[arg-type]
    assert Image.open(io.BytesIO(content)).info["parameters"].startswith("a fox in the snow")


def test_anothers_picture_is_not_there(tmp_path: Path) -> None:
    artwork = make_artwork(tmp_path)
    api, path = api_of(make_user()), f"/api/v1/artworks/{artwork.public_id}"
    assert api.get(path).status_code == 404
    assert api.get(f"{path}/file").status_code == 404
    assert api.delete(path).status_code == 404
    assert api.patch(path, "{}", content_type="application/json").status_code == 404
    assert ids(api.get("/api/v1/artworks")) == []
    assert Client().get(path).status_code == 401
