"""Where a model lies."""

from __future__ import annotations

from pathlib import Path

from gpu.engine import choices
from gpu.engine.catalogue import MODELS, BaseFacts, ModelFacts, ModelFile
from gpu.engine.failures import Failure, missing_file
from gpu.engine.hub import manifest
from gpu.engine.hub.pulling import pull, target_of

# what a repository that is not in the catalogue may hold of use; half precision is preferred
_CONFIGURATION = ["*.json", "*/*.json", "*/*.txt"]


def where(model: ModelFacts) -> Path | None:
    """The folder that holds all of a model's files, or None. Looks at names and sizes; checksums are `check`'s."""
    chosen = choices.read().folders.get(model.name)
    if chosen:
        return Path(chosen) if stands_in(Path(chosen), model) else None
    own, written = target_of(model), manifest.read(target_of(model))
    if (written is None or written.fits(model)) and _is_whole(own, model):
        return own
    return _in_cache(model)


def present(model: ModelFacts) -> bool:
    """Whether a job may count on this model without a network."""
    return where(model) is not None


def folder_of(model: ModelFacts) -> Path:
    """The folder of a model, which is fetched if it is missing.

    Raises Failure `missing_file` with a sentence that names the command to run.
    """
    found = where(model)
    if found is not None:
        return found
    chosen = choices.read().folders.get(model.name)
    if chosen:
        raise Failure(
            "missing_file",
            f"“{model.title}” is not, or no longer whole, in the folder that was chosen for it. Staff: run "
            f"`models use {model.name} PATH` with its folder, or `models use {model.name}` to forget the choice.",
            detail=chosen,
        )
    try:
        return pull(model)
    except Failure as failure:
        raise Failure(
            failure.code,
            f"“{model.title}” is not on this machine and could not be fetched. Staff: run `models pull {model.name}`.",
            detail=f"{failure.say} {failure.detail}".strip(),
        ) from failure


def base_folders(facts: BaseFacts) -> tuple[Path, Path]:
    """Where a base and its VAE lie: the same folder, unless its catalogue entry names a VAE of its own.

    Raises Failure `missing_file`.
    """
    if facts.folder:
        folder = Path(facts.folder)
        if not (folder / "model_index.json").is_file():
            raise missing_file(f"The base model “{facts.title}”", folder)
        return folder, folder
    vae = next((one for one in MODELS.values() if one.repository == facts.vae_repository), None)
    base = folder_of(MODELS[facts.name]) if facts.name in MODELS else _repository(facts.repository, facts.revision)
    return base, folder_of(vae) if vae else base


def stands_in(folder: Path, model: ModelFacts) -> bool:
    """Whether somebody's own folder can take a model's place: the same layout, in half or in full precision."""

    def is_there(file: ModelFile) -> bool:
        return (folder / file.path).is_file() or (folder / file.path.replace(".fp16.", ".")).is_file()

    needed = [file for file in model.files if file.path.endswith(".safetensors") or file.path.endswith("config.json")]
    return all(is_there(file) for file in needed)


def _is_whole(folder: Path, model: ModelFacts) -> bool:
    def fits(file: ModelFile) -> bool:
        path = folder / file.path
        return path.is_file() and (not file.bytes or path.stat().st_size == file.bytes)

    return all(fits(file) for file in model.files)


def _in_cache(model: ModelFacts) -> Path | None:
    """The hub client's own cache, for those who fetched this very revision with another program."""
    from huggingface_hub import try_to_load_from_cache

    if not model.revision:
        return None
    paths = [try_to_load_from_cache(model.repository, file.path, revision=model.revision) for file in model.files]
    if not all(isinstance(path, str) for path in paths):
        return None
    folder = Path(str(paths[0])).parents[model.files[0].path.count("/")]
    return folder if _is_whole(folder, model) else None


def _repository(repository: str, revision: str) -> Path:
    """A base that the catalogue does not know, by its repository id, in the hub client's own cache."""
    folder = _snapshot(repository, revision, [*_CONFIGURATION, "*/*.fp16.safetensors"])
    if any((folder / "unet").glob("*.safetensors")):
        return folder
    return _snapshot(repository, revision, [*_CONFIGURATION, "*/*.safetensors"])


def _snapshot(repository: str, revision: str, files: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=files))
    except Exception as error:  # the hub's client raises many kinds; each means that there is no model
        raise Failure(
            "missing_file",
            "The base model could not be fetched. Staff: check BASE_MODEL and the connection to the model hub.",
            detail=f"{repository}@{revision}: {type(error).__name__}: {error}",
        ) from error
