import json
import uuid

import pytest
from django.test import Client

from accounts.tokens import create_token
from styles import actions
from styles.models import Style
from tests.builders import make_reference, make_style, make_user, slow_down
from tests.styles.pictures import jpeg, upload

pytestmark = pytest.mark.django_db


class Caller:
    """A program with a token."""

    def __init__(self, user):
        self.user = user
        _token, plain = create_token(user=user, name="test")
        self.client = Client(headers={"authorization": f"Bearer {plain}"}, raise_request_exception=False)

    def __call__(self, method, path, body=None, **extra):
        sent = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
        return getattr(self.client, method)(f"/api/v1{path}", **sent, **extra)

    def upload(self, style_id, *files, **extra):
        return self.client.post(f"/api/v1/styles/{style_id}/images", {"files": list(files)}, **extra)


@pytest.fixture
def artist():
    return Caller(make_user())


def test_a_style_is_made_filled_read_changed_and_deleted(artist):
    made = artist("post", "/styles", {"name": "Hedgerow", "description": "Line and wash", "declaration": "made"})
    assert made.status_code == 201
    style = made.json()
    assert style["kind"] == "art"
    assert style["status"] == "draft"
    assert style["images_count"] == 0
    assert style["cover_url"] is None
    assert style["active_version"] is None
    assert style["trigger_word"]
    assert style["declaration"] == "made"

    answer = artist.upload(style["id"], upload(jpeg(1), "red_fox.jpg"), upload(b"<svg></svg>", "logo.svg"))
    assert answer.status_code == 200
    body = answer.json()
    [image], [refused] = body["accepted"], body["refused"]
    assert (image["filename"], image["verdict"], image["caption"]) == ("red_fox.jpg", "accepted", "red fox")
    assert (image["width"], image["height"]) == (1000, 800)
    assert image["thumbnail_url"].startswith("http://testserver/media/")
    assert artist.client.get(image["thumbnail_url"]).status_code == 200
    assert (refused["filename"], refused["code"]) == ("logo.svg", "svg")
    assert body["style"]["images_count"] == 1
    assert body["style"]["cover_url"]

    path = f"/styles/{style['id']}/images"
    assert [one["id"] for one in artist("get", path).json()["items"]] == [image["id"]]
    captioned = artist("patch", f"{path}/{image['id']}", {"caption": "a fox in snow"})
    assert captioned.json()["caption"] == "a fox in snow"
    report = artist("get", f"/styles/{style['id']}/report").json()
    assert report["summary"] == "19 more works are needed."
    assert artist("delete", f"{path}/{image['id']}").status_code == 204
    assert artist("get", path).json() == {"items": [], "next": None}

    changed = artist("put", f"/styles/{style['id']}", {"name": "Meadow"})
    assert changed.json()["name"] == "Meadow"
    assert changed.json()["description"] == "Line and wash"
    assert artist("delete", f"/styles/{style['id']}").status_code == 204
    assert artist("get", f"/styles/{style['id']}").status_code == 404
    assert artist("post", f"/styles/{style['id']}/restore").json()["name"] == "Meadow"


def test_it_answers_200_when_every_file_is_refused(artist):
    style = make_style(artist.user)
    answer = artist.upload(style.public_id, upload(b"", "a.png"), upload(b"words", "b.png"))
    assert answer.status_code == 200
    assert [refused["code"] for refused in answer.json()["refused"]] == ["empty", "not_a_picture"]


def test_styles_are_listed_a_page_at_a_time(artist):
    for number in range(5):
        make_style(artist.user, name=f"Style {number}")
    make_style()
    first = artist("get", "/styles?limit=3").json()
    second = artist("get", f"/styles?limit=3&cursor={first['next']}").json()
    assert [one["name"] for one in first["items"] + second["items"]] == [f"Style {n}" for n in (4, 3, 2, 1, 0)]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\ud800b"}, "name"),
        ({"name": 7}, "name"),
        ({"name": "A", "kind": "imported"}, "kind"),
        ({"name": "A", "kind": "landscape"}, "kind"),
        ({"name": "A", "description": "x" * 501}, "description"),
        ({"name": "A", "declaration": "perhaps"}, "declaration"),
    ],
)
def test_bad_fields_get_a_sentence(artist, body, field):
    answer = artist("post", "/styles", body)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [field]
    assert not Style.objects.owned_by(artist.user).exists()


def test_a_caption_that_is_too_long_is_refused(artist):
    style = make_style(artist.user, works=1)
    path = f"/styles/{style.public_id}/images/{style.references.get().public_id}"
    assert artist("patch", path, {"caption": "x" * 301}).status_code == 422
    assert artist("patch", path, {"caption": ""}).json()["caption"] == ""


def test_several_changes_are_made_together_or_not_at_all(artist):
    style = make_style(artist.user, declared=False)
    answer = artist("put", f"/styles/{style.public_id}", {"name": "Other", "declaration": "perhaps"})
    assert answer.status_code == 422
    style.refresh_from_db()
    assert style.name == "Hedgerow"


def test_an_upload_without_files_gets_a_sentence(artist):
    style = make_style(artist.user)
    answer = artist.client.post(f"/api/v1/styles/{style.public_id}/images", {"other": "field"})
    assert answer.status_code == 422
    answer = artist("post", f"/styles/{style.public_id}/images", {"files": ["a.png"]})
    assert answer.status_code == 422


def test_nobody_reaches_another_persons_style(artist):
    style = make_style(works=1)
    image = style.references.get().public_id
    for method, path, body in (
        ("get", "", None),
        ("put", "", {"name": "Mine"}),
        ("delete", "", None),
        ("post", "/restore", {}),
        ("get", "/images", None),
        ("get", f"/images/{image}", None),
        ("patch", f"/images/{image}", {"caption": "mine"}),
        ("delete", f"/images/{image}", None),
        ("get", "/report", None),
    ):
        assert artist(method, f"/styles/{style.public_id}{path}", body).status_code == 404, path
    assert artist.upload(style.public_id, upload(jpeg())).status_code == 404
    own = make_style(artist.user)
    assert artist("get", f"/styles/{own.public_id}/images/{image}").status_code == 404
    assert Client().get(f"/api/v1/styles/{style.public_id}").status_code == 401


def test_a_doubled_upload_with_the_same_key_happens_once(artist):
    style = make_style(artist.user)
    answers = [
        artist.upload(style.public_id, upload(jpeg(1), "a.jpg"), headers={"idempotency-key": "k1"}) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert len(answers[1].json()["accepted"]) == 1
    assert style.references.count() == 1


def test_too_many_uploads_in_a_short_time_wait(artist, monkeypatch):
    slow_down(monkeypatch, upload=2)
    style = make_style(artist.user)
    assert artist.upload(style.public_id, upload(b""), upload(b"")).status_code == 200
    answer = artist.upload(style.public_id, upload(b""))
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0


def test_the_plan_limits_the_styles(artist, settings):
    settings.BILLING = True
    make_style(artist.user)
    answer = artist("post", "/styles", {"name": "Second"})
    assert answer.status_code == 402
    assert "holds 1 style" in answer.json()["detail"]
    gone = Style.objects.owned_by(artist.user).get()
    actions.delete_style(style=gone)
    assert artist("post", "/styles", {"name": "Second"}).status_code == 201
    assert artist("post", f"/styles/{gone.public_id}/restore").status_code == 402


def test_the_sample_style_is_there_at_once_and_once(artist, settings):
    settings.BILLING = True
    make_style(artist.user)
    sample = artist("post", "/styles/sample").json()
    assert (sample["images_count"], sample["sample"], sample["status"]) == (24, True, "ready")
    assert artist("post", "/styles/sample").json()["id"] == sample["id"]
    images = artist("get", f"/styles/{sample['id']}/images").json()["items"]
    assert images[0]["caption"] == "a fox"


def test_an_unknown_style_is_not_found(artist):
    assert artist("get", f"/styles/{uuid.uuid4()}").status_code == 404
    assert make_reference(make_style(artist.user)).pk
