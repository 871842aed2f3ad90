"""Looking at a set before a training, with and without a captioner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration

from gpu.engine import study
from gpu.engine.captioner import Captioner, plain
from gpu.engine.contract import StudyImage, StudySpec
from gpu.engine.failures import Failure
from gpu.engine.report import Interrupted
from gpu.engine.studio import Studio
from tests.engine.makers import Heard

SAMPLE_SET = Path(__file__).resolve().parents[2] / "styles" / "sample_set"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "fox", "boat", "tree", "red"]


@pytest.fixture(scope="module")
def tiny_captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real class, as small as it gets, with random weights."""
    folder = tmp_path_factory.mktemp("captioner")
    torch.manual_seed(5)
    text = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "encoder_hidden_size": 16,
        "intermediate_size": 32,
        "projection_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "bos_token_id": 5,
        "eos_token_id": 2,
        "sep_token_id": 3,
        "pad_token_id": 0,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "projection_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    }
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=16, image_text_hidden_size=16)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]})
    )
    return folder


@pytest.fixture
def studio() -> Studio:
    return Studio("cpu")


def spec_of(count: int, *, captioner: str = "") -> StudySpec:
    paths = sorted(SAMPLE_SET.glob("*.png"))[:count]
    return StudySpec(images=[StudyImage(id=path.stem, path=str(path)) for path in paths], captioner=captioner)


def test_every_image_is_answered_in_order_and_none_is_odd_in_a_set_by_one_hand(studio: Studio) -> None:
    heard = Heard()
    spec = spec_of(12)
    study.run(spec, studio, heard.report)

    seen = heard.of("studied")
    assert [one.image for one in seen] == [image.id for image in spec.images]
    assert not any(one.odd for one in seen)
    assert all(one.caption == "" for one in seen)


def test_a_captioner_that_is_not_on_this_machine_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, studio: Studio
) -> None:
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    heard = Heard()
    study.run(spec_of(6, captioner="captioner"), studio, heard.report)

    assert [one.caption for one in heard.of("studied")] == [""] * 6


@pytest.mark.parametrize("name", ["nobody", "sdxl"])
def test_what_is_no_captioner_is_refused_by_name(name: str, studio: Studio) -> None:
    with pytest.raises(Failure, match=name) as failure:
        study.run(spec_of(6, captioner=name), studio, Heard().report)
    assert failure.value.code == "bad_spec"


def test_a_captioner_of_the_real_class_says_the_same_of_the_same_picture(tiny_captioner: Path) -> None:
    picture = Image.open(SAMPLE_SET / "01-fox.png").convert("RGB")
    captioner = Captioner(tiny_captioner, "cpu")

    first = captioner.caption(picture)
    assert first == captioner.caption(picture)
    assert set(first.split()) <= {word.lower() for word in WORDS}


def test_its_captions_reach_the_answer(monkeypatch: pytest.MonkeyPatch, tiny_captioner: Path, studio: Studio) -> None:
    monkeypatch.setattr(study, "present", lambda facts: True)
    monkeypatch.setattr(study, "folder_of", lambda facts: tiny_captioner)
    heard = Heard()
    spec = spec_of(6, captioner="captioner")
    study.run(spec, studio, heard.report)

    own = Captioner(tiny_captioner, "cpu")
    picture = Image.open(spec.images[0].path).convert("RGB")
    picture.thumbnail((study.SEEN_SIDE, study.SEEN_SIDE))
    assert heard.of("studied")[0].caption == own.caption(picture)


def test_a_folder_that_is_no_captioner_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="captioner cannot be read"):
        Captioner(tmp_path, "cpu")


def test_a_study_can_be_cancelled(studio: Studio) -> None:
    with pytest.raises(Interrupted):
        study.run(spec_of(12), studio, Heard(after="progress").report)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a watercolor painting of a rabbit in a blue coat", "a rabbit in a blue coat"),
        ("a black and white drawing of a castle", "a castle"),
        ("there is a painting of a mouse with a hat", "a mouse with a hat"),
        ("arafed image of a cat sitting on a chair.", "a cat sitting on a chair"),
        ("a man painting a picture of a tree", "a man painting a picture of a tree"),
        ("a fox asleep under a tree", "a fox asleep under a tree"),
        ("an icon of an apple", "an apple"),
    ],
)
def test_a_caption_says_what_is_seen_and_not_how_it_is_made(said: str, kept: str) -> None:
    assert plain(said) == kept
