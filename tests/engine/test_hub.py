"""Models come from a hub: whole, verified, and on from where they stopped."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpu.engine import choices, hub
from gpu.engine.catalogue import SDXL, STARTER, Licence, ModelFacts, ModelFile, describe
from gpu.engine.failures import Failure
from tests.engine.hub_server import COMMIT, Hub, serving

WEIGHTS = os.urandom(300_000)
FILES = {"config.json": b'{"a": 1}', "unet/model.fp16.safetensors": WEIGHTS}
LARGE = "unet/model.fp16.safetensors"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 16_384)  # what is lost at most in a break


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(dict(FILES)) as one:
        monkeypatch.setenv("HF_ENDPOINT", one.address)
        yield one


def facts(**changes: object) -> ModelFacts:
    made = ModelFacts(
        name="toy",
        title="Toy",
        say="",
        role="upscaler",
        repository="someone/toy",
        revision=COMMIT,
        files=(
            ModelFile("config.json"),
            ModelFile(LARGE, len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest()),
        ),
        licence=Licence("MIT", "", "", True),
        bytes=len(WEIGHTS) + 8,
        needs="",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_pulled_model_is_whole_and_its_manifest_says_who_vouches_for_each_file(server: Hub, tmp_path: Path) -> None:
    assert not hub.present(facts())
    folder = hub.pull(facts())
    assert folder == tmp_path / "models" / "toy"
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES
    assert hub.present(facts())
    assert hub.folder_of(facts()) == folder
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["repository"], manifest["revision"], manifest["licence"]) == ("someone/toy", COMMIT, "MIT")
    assert manifest["files"][LARGE]["vouched_by"] == "catalogue"
    assert manifest["files"]["config.json"]["vouched_by"] == "first pull"
    assert manifest["files"]["config.json"]["sha256"] == hashlib.sha256(FILES["config.json"]).hexdigest()


def test_progress_never_falls_and_ends_with_the_whole_model(server: Hub) -> None:
    seen: list[tuple[str, int, int]] = []
    hub.pull(facts(), lambda *event: seen.append(event))
    assert [here for _, here, _ in seen] == sorted(here for _, here, _ in seen)
    assert seen[-1] == (LARGE, len(WEIGHTS) + 8, len(WEIGHTS) + 8)


def test_half_a_file_goes_on_where_it_stopped(server: Hub, tmp_path: Path) -> None:
    server.cut_after, server.answers = 100_000, [0, 503]
    with pytest.raises(Failure) as broken:
        hub.pull(facts())
    assert broken.value.code == "broken_off"
    assert "What came is kept" in broken.value.say
    [part] = (tmp_path / "models/toy/unet").iterdir()
    assert 0 < part.stat().st_size <= 100_000
    kept = part.stat().st_size
    assert not hub.present(facts())
    server.cut_after = 0
    folder = hub.pull(facts())
    assert (folder / LARGE).read_bytes() == WEIGHTS
    assert server.ranges(LARGE)[-1] == f"bytes={kept}-"
    assert [path.name for path in (folder / "unet").iterdir()] == ["model.fp16.safetensors"]


def test_a_connection_that_breaks_is_taken_up_again_by_itself(server: Hub) -> None:
    server.cut_after = 100_000
    assert (hub.pull(facts()) / LARGE).read_bytes() == WEIGHTS
    assert len(server.ranges(LARGE)) == 2


def test_wrong_bytes_are_not_kept(server: Hub, tmp_path: Path) -> None:
    server.altered = b"x" * len(WEIGHTS)
    with pytest.raises(Failure) as wrong:
        hub.pull(facts())
    assert wrong.value.code == "bad_checksum"
    assert "was not kept" in wrong.value.say
    assert list((tmp_path / "models/toy/unet").iterdir()) == []
    server.altered = b""
    hub.pull(facts())
    assert hub.present(facts())


def test_a_file_other_than_the_catalogue_names_is_refused_before_a_byte_of_it_comes(server: Hub) -> None:
    files = (ModelFile(LARGE, len(WEIGHTS), "0" * 64),)
    with pytest.raises(Failure) as wrong:
        hub.pull(facts(files=files))
    assert wrong.value.code == "bad_checksum"
    assert server.ranges(LARGE) == []


def test_without_a_sum_in_the_catalogue_the_hubs_own_is_held_to(server: Hub) -> None:
    unsummed = facts(files=(ModelFile(LARGE),))
    server.altered = b"x" * len(WEIGHTS)
    with pytest.raises(Failure) as wrong:
        hub.pull(unsummed)
    assert wrong.value.code == "bad_checksum"
    server.altered = b""
    folder = hub.pull(unsummed)
    assert json.loads((folder / "manifest.json").read_text())["files"][LARGE]["vouched_by"] == "hub"


def test_what_the_first_pull_wrote_down_holds_from_then_on(server: Hub) -> None:
    hub.pull(facts())
    server.files["config.json"] = b'{"a": 2}'
    (choices.models_dir() / "toy/config.json").unlink()
    with pytest.raises(Failure) as wrong:
        hub.pull(facts())
    assert wrong.value.code == "bad_checksum"


def test_a_model_without_a_pinned_revision_takes_the_commit_it_finds_and_keeps_to_it(server: Hub) -> None:
    loose = facts(revision="")
    folder = hub.pull(loose)
    assert json.loads((folder / "manifest.json").read_text())["revision"] == COMMIT
    assert hub.present(loose)


def test_a_second_pull_verifies_and_fetches_only_what_is_damaged(server: Hub) -> None:
    folder = hub.pull(facts())
    server.asked.clear()
    hub.pull(facts())
    assert server.asked == []
    (folder / LARGE).write_bytes(b"x" * len(WEIGHTS))
    findings = {finding.path: finding.holds for finding in hub.check(facts(), folder)}
    assert findings == {"config.json": True, LARGE: False}
    hub.pull(facts())
    assert (folder / LARGE).read_bytes() == WEIGHTS


def test_another_revision_in_the_catalogue_makes_the_old_folder_incomplete(server: Hub) -> None:
    hub.pull(facts())
    newer = facts(revision="f" * 40)
    assert not hub.present(newer)
    server.asked.clear()
    hub.pull(newer)
    assert hub.present(newer)
    assert server.ranges(LARGE) == []  # its sum is the same


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(404, "missing_file", "Update this product"), (401, "refused", "HF_TOKEN"), (403, "refused", "licence"),
     (500, "broken_off", "run the same command again")],
)  # fmt: skip
def test_each_refusal_of_the_hub_is_a_sentence(server: Hub, status: int, code: str, words: str) -> None:
    server.status = status
    with pytest.raises(Failure) as refused:
        hub.pull(facts())
    assert refused.value.code == code
    assert words in refused.value.say


def test_without_a_network_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(Failure) as offline:
        hub.pull(facts())
    assert offline.value.code == "offline"
    assert str(tmp_path / "models" / "toy") in offline.value.say
    assert "models use toy PATH" in offline.value.say
    with pytest.raises(Failure) as missing:
        hub.folder_of(facts())
    assert "models pull toy" in missing.value.say


def test_offline_mode_is_obeyed_and_named(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(Failure) as offline:
        hub.pull(facts())
    assert offline.value.code == "offline"
    assert "HF_HUB_OFFLINE" in offline.value.say


def test_a_full_disk_is_named_before_anything_comes(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu.engine.hub.pulling.SPARE", 2**60)
    with pytest.raises(Failure) as full:
        hub.pull(facts())
    assert full.value.code == "no_space"
    assert "MODELS_DIR" in full.value.say


def test_two_do_not_fetch_the_same_model_at_once(server: Hub) -> None:
    folder = choices.models_dir() / "toy"
    folder.mkdir(parents=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Failure) as busy:
            hub.pull(facts())
    assert busy.value.code == "busy"


def test_no_pickle_is_ever_fetched(server: Hub) -> None:
    with pytest.raises(ValueError, match="safetensors"):
        hub.pull(facts(files=(ModelFile("pytorch_model.bin"),)))


# --- folders of one's own ---


def test_a_folder_of_ones_own_takes_a_models_place_in_full_precision_too(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "unet").mkdir(parents=True)
    (mine / "config.json").write_bytes(b"{}")
    (mine / "unet/model.safetensors").write_bytes(b"whatever somebody trained")
    choices.write(choices.read().with_folder("toy", mine))
    assert hub.folder_of(facts()) == mine
    (mine / "unet/model.safetensors").unlink()
    with pytest.raises(Failure) as gone:
        hub.folder_of(facts())
    assert "models use toy" in gone.value.say


def test_the_hub_clients_own_cache_is_found(tmp_path: Path) -> None:
    snapshot = tmp_path / "cache" / "models--someone--toy" / "snapshots" / COMMIT
    for path, data in FILES.items():
        (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / path).write_bytes(data)
    assert hub.where(facts()) == snapshot
    (snapshot / LARGE).write_bytes(b"half")
    assert hub.where(facts()) is None


def test_a_bases_folder_and_its_vaes_are_found_by_its_facts(tmp_path: Path) -> None:
    assert hub.base_folders(STARTER) == (Path(STARTER.folder),) * 2
    for name in ("sdxl", "sdxl-vae"):
        folder = tmp_path / name
        for part in ("unet", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"):
            (folder / part).mkdir(parents=True)
            (folder / part / "config.json").write_text("{}")
            (folder / part / "tokenizer_config.json").write_text("{}")
            for weights in ("diffusion_pytorch_model", "model"):
                (folder / part / f"{weights}.safetensors").touch()
        (folder / "scheduler").mkdir()
        for file in ("scheduler/scheduler_config.json", "config.json"):
            (folder / file).write_text("{}")
        (folder / "diffusion_pytorch_model.safetensors").touch()
        choices.write(choices.read().with_folder(name, folder))
    assert hub.base_folders(SDXL) == (tmp_path / "sdxl", tmp_path / "sdxl-vae")
    with pytest.raises(Failure, match="could not be found"):
        hub.base_folders(describe(str(tmp_path)))


def test_a_damaged_file_of_choices_is_named() -> None:
    choices.write(choices.Choices(base="sdxl"))
    (choices.state_dir() / "models.json").write_text("{")
    with pytest.raises(ValueError, match=r"models\.json is damaged"):
        choices.read()
