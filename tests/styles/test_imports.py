"""A LoRA from elsewhere becomes a style, or a sentence says why not; every version goes out in both spellings."""

from __future__ import annotations

import hashlib
import json
import pickle  # noqa: TID251  what must be refused

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from accounts.tokens import create_token
from config.kit import decency, media
from config.kit.errors import Refusal
from generation.adapters import on_disk
from gpu.engine.weights.header import read_header
from styles import actions, erasing
from styles.models import Adapter, Style
from styles.weights import download_url, keys_of
from tests.builders import make_style, make_user
from tests.styles.loras import lora, safetensors

pytestmark = pytest.mark.django_db


@pytest.fixture
def artist():
    return make_user()


@pytest.fixture
def browser(artist):
    client = Client(raise_request_exception=False)
    client.force_login(artist)
    return client


def upload(content: bytes, name: str = "Foxes.safetensors") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def imported(owner=None, content: bytes | None = None, **fields) -> Style:
    fields.setdefault("declaration", "made")
    return actions.import_adapter(
        owner=owner or make_user(), file=upload(lora() if content is None else content), **fields
    )


# --- importing ---


def test_an_imported_lora_is_a_style_that_is_ready(artist):
    content = lora(rank=3, metadata={"modelspec.trigger_phrase": "kovazi", "modelspec.title": "Foxes at dusk"})
    style = imported(artist, content)
    adapter = style.active_adapter
    assert (style.kind, style.status, style.name, style.trigger_word) == (
        "imported",
        "trained",
        "Foxes at dusk",
        "kovazi",
    )
    assert (adapter.origin, adapter.state, adapter.base, adapter.rank) == ("imported", "ready", "starter", 3)
    assert adapter.sha256 == hashlib.sha256(content).hexdigest()
    assert media.read(adapter.key) == content
    assert on_disk(adapter).read_bytes() == content
    assert AuditEntry.objects.filter(verb="style.import", target=style.public_id).exists()


def test_its_declaration_is_about_the_lora_itself(artist):
    style = imported(artist, declaration="may_use")
    declared = style.declarations.get()
    assert declared.text_version == "2026-11-import"
    assert declared.file_hashes == [style.active_adapter.sha256]


def test_a_name_and_a_word_that_are_given_go_before_the_files_own(artist):
    content = lora(metadata={"modelspec.trigger_phrase": "kovazi"})
    style = imported(artist, content, name="Mine", trigger_word="my word")
    assert (style.name, style.trigger_word) == ("Mine", "my word")


def test_a_lora_without_a_word_has_none_and_two_people_may_have_the_same():
    assert imported(content=lora(seed=1)).trigger_word == ""
    assert imported(content=lora(seed=2)).trigger_word == ""
    word = {"modelspec.trigger_phrase": "pixel art"}
    first, second = imported(content=lora(metadata=word)), imported(content=lora(metadata=word))
    assert first.trigger_word == second.trigger_word == "pixel art"


def test_a_large_upload_is_read_where_it_lies(artist):
    content = lora()
    file = TemporaryUploadedFile("big.safetensors", "application/octet-stream", len(content), None)
    file.write(content)
    file.flush()
    style = actions.import_adapter(owner=artist, file=file, declaration="made")
    assert style.name == "big"
    assert media.read(style.active_adapter.key) == content


@pytest.mark.parametrize("spelling", ["kohya", "diffusers"])
def test_both_spellings_are_taken(artist, spelling):
    assert imported(artist, lora(spelling=spelling)).status == "trained"


@pytest.mark.parametrize(
    ("content", "name", "code", "says"),
    [
        (b"", "x.safetensors", "bad_weights", "not a safetensors file"),
        (pickle.dumps({"a": 1}), "x.safetensors", "bad_weights", "not a safetensors file"),
        (pickle.dumps({"a": 1}), "x.ckpt", "not_safetensors", "can run code"),
        (lora()[:-1], "x.safetensors", "bad_weights", "damaged"),
        (lora() + b"#!/bin/sh", "x.safetensors", "bad_weights", "something follows"),
        (safetensors({"a.weight": np.zeros(2, "<f2")}), "x.safetensors", "bad_weights", "no LoRA"),
        (
            safetensors({
                "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight":
                np.zeros((2, 2048), "<f2"),
            }),
            "x.safetensors", "bad_weights", "made for SDXL; here pictures come from Starter",
        ),
    ],
)  # fmt: skip
def test_what_is_no_lora_of_this_base_is_refused_in_a_sentence(artist, content, name, code, says):
    with pytest.raises(Refusal, match=says) as refused:
        actions.import_adapter(owner=artist, file=upload(content, name), declaration="made")
    assert (refused.value.code, refused.value.field) == (code, "file")
    assert not Style.objects.exists()


def test_a_file_of_more_than_two_gigabytes_is_refused_unread(artist):
    file = upload(b"")
    file.size = 2**31 + 1
    with pytest.raises(Refusal, match=r"has 2\.1 GB") as refused:
        actions.import_adapter(owner=artist, file=file, declaration="made")
    assert refused.value.status == 413


@pytest.mark.parametrize(
    "metadata",
    [
        {"modelspec.title": "NSFW booster"},
        {"ss_output_name": "hentai_v2"},
        {"ss_tag_frequency": json.dumps({"1_set": {"a cat": 3, "explicit sex": 9}})},
        {"ss_tag_frequency": json.dumps({"10_lolicon": {}})},
        {"modelspec.description": "For porn."},
        {"trigger_word": "p0rn"},
    ],
)
def test_loras_for_sexual_content_are_not_taken(artist, metadata):
    with pytest.raises(Refusal, match="not taken") as refused:
        imported(artist, lora(metadata=metadata))
    assert refused.value.code == "unsafe_lora"


def test_the_name_that_a_person_gives_is_read_over_too(artist):
    with pytest.raises(Refusal, match="not taken"):
        imported(artist, name="XXX")


def test_metadata_too_long_to_be_read_over_is_refused(artist):
    with pytest.raises(Refusal, match="more text than can be checked"):
        imported(artist, lora(metadata={"modelspec.description": "a " * 200_000}))


def test_nothing_is_taken_where_the_words_cannot_be_checked(artist, monkeypatch):
    monkeypatch.setattr(decency, "_checks", [])
    with pytest.raises(Refusal) as refused:
        imported(artist)
    assert refused.value.status == 503


def test_without_a_declaration_nothing_stays(artist):
    with pytest.raises(Refusal) as refused:
        imported(artist, declaration="")
    assert refused.value.field == "declaration"
    assert not Style.objects.exists()


def test_the_same_file_is_imported_once_a_person(artist):
    imported(artist, name="First")
    with pytest.raises(Refusal, match="here already: “First”"):
        imported(artist, name="Second")
    imported(make_user())


def test_a_style_imported_without_a_word_gets_one_before_it_is_taught(artist):
    style = imported(artist)
    actions.new_adapter(style=style, base="starter", method="lora", rank=4, steps=10)
    style.refresh_from_db()
    assert style.trigger_word


# --- pages and API ---


def test_the_page_imports_and_leads_to_create(browser, artist):
    html = browser.get(reverse("styles:import")).content.decode()
    assert 'accept=".safetensors"' in html
    assert "Starter" in html
    answer = browser.post(reverse("styles:import"), {"file": upload(lora()), "name": "Foxes", "declaration": "made"})
    style = Style.objects.get(owner=artist)
    assert answer["Location"] == reverse("generation:create") + f"?style={style.public_id}"
    for name in ("styles:detail", "training:run", "training:versions"):
        page = browser.get(reverse(name, args=[style.public_id]))
        assert page.status_code == 200
        assert "Imported" in page.content.decode()
    assert "Foxes" in browser.get("/create/").content.decode()


def test_a_mistake_is_shown_beside_its_field_and_nothing_typed_is_lost(browser):
    answer = browser.post(reverse("styles:import"), {"name": "Foxes", "declaration": "made"})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "Choose the .safetensors file" in html
    assert 'value="Foxes"' in html
    answer = browser.post(reverse("styles:import"), {"file": upload(lora()), "name": "Foxes"})
    assert "Say either" in answer.content.decode()


def test_the_list_of_styles_leads_to_the_import(browser):
    assert reverse("styles:import") in browser.get("/styles/").content.decode()


def test_the_api_imports_once_a_key_and_gives_both_spellings(artist):
    _token, plain = create_token(user=artist, name="test")
    program = Client(headers={"authorization": f"Bearer {plain}"}, raise_request_exception=False)
    sent = {"declaration": "made", "name": "Foxes"}
    made = [
        program.post("/api/v1/styles/import", {**sent, "file": upload(lora())}, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in made] == [201, 201]
    style = made[0].json()
    assert made[1].json() == style
    assert (style["kind"], style["status"], style["active_version"], style["declaration"]) == (
        "imported", "trained", 1, "made",
    )  # fmt: skip
    answer = program.get(f"/api/v1/styles/{style['id']}/versions/1/weights?format=diffusers")
    assert answer.status_code == 302
    assert "-diffusers.safetensors" in answer["Location"]
    wrong = program.post("/api/v1/styles/import", {**sent, "file": upload(b"no")})
    assert wrong.status_code == 422
    assert wrong.json()["type"].endswith("#bad_weights")


def test_erasing_takes_the_converted_files_along(artist):
    style = imported(artist)
    adapter = style.active_adapter
    download_url(adapter, wanted="diffusers")
    keys = keys_of(adapter)
    assert sum(media.exists(key) for key in keys) == 2
    erasing.erase_versions(style)
    assert not any(media.exists(key) for key in keys)


# --- the two spellings going out ---


@pytest.mark.parametrize(("wanted", "begins"), [("kohya", "lora_"), ("diffusers", "unet.")])
def test_a_version_is_downloaded_in_the_spelling_that_is_asked_for(browser, artist, tmp_path, wanted, begins):
    style = imported(artist, name="My foxes")
    address = reverse("training:weights", args=[style.public_id, 1])
    answer = browser.get(f"{address}?format={wanted}", follow=True)
    assert f"my-foxes-v1-{wanted}.safetensors" in answer["Content-Disposition"]
    path = tmp_path / "file.safetensors"
    path.write_bytes(b"".join(answer.streaming_content))
    assert any(key.startswith(begins) for key in read_header(path).parts)
    again = browser.get(f"{address}?format={wanted}", follow=True)
    assert b"".join(again.streaming_content) == path.read_bytes()


def test_without_a_format_the_file_is_what_came(browser, artist):
    content = lora(spelling="diffusers")
    style = imported(artist, content)
    answer = browser.get(reverse("training:weights", args=[style.public_id, 1]), follow=True)
    assert b"".join(answer.streaming_content) == content


def test_an_unknown_format_is_a_sentence(browser, artist):
    style = imported(artist)
    answer = browser.get(reverse("training:weights", args=[style.public_id, 1]) + "?format=ckpt")
    assert answer.status_code == 422
    assert "kohya, diffusers" in answer.content.decode()


def test_a_version_whose_file_cannot_be_converted_says_so(browser):
    style = make_style(make_user())
    adapter = actions.new_adapter(style=style, base="starter", method="lora", rank=1, steps=1)
    key = media.save("tests/odd.safetensors", b"odd")
    actions.finish_adapter(adapter=adapter, key=key, sha256="0" * 64, bytes=3, loss=0.1, steps=1)
    browser.force_login(style.owner)
    answer = browser.get(reverse("training:weights", args=[style.public_id, 1]) + "?format=kohya")
    assert answer.status_code == 422
    assert "Download it as it is" in answer.content.decode()
    assert Adapter.objects.get(pk=adapter.pk).state == "ready"
