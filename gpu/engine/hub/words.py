"""The many exceptions of the hub's client as sentences that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpu.engine.catalogue import ModelFacts, ModelFile
from gpu.engine.failures import Failure

UNREACHABLE = {"ConnectError", "ConnectTimeout", "ProxyError", "UnsupportedProtocol"}
AGAIN = "What came is kept: run the same command again."


@contextmanager
def in_words(model: ModelFacts, file: ModelFile, path: Path) -> Iterator[None]:
    """Around the fetching of one file. `path` is where it will lie."""
    from huggingface_hub import errors

    broken: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # of the client's own HTTP library
    folder = path.parents[file.path.count("/")]
    own = f"copy its folder from another machine to {folder}, or name one with `models use {model.name} PATH`"
    page = f"https://huggingface.co/{model.repository}"
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise Failure("offline", f"HF_HUB_OFFLINE forbids to fetch anything. Unset it, or {own}.") from error
    except errors.GatedRepoError as error:
        say = f"“{model.title}” wants its licence accepted: do so at {page}, then set HF_TOKEN to your token there."
        raise Failure("refused", say, detail=_line(error)) from error
    except errors.HfHubHTTPError as error:
        raise _answered(model, file, error.response.status_code, page, _line(error)) from error
    except broken as error:
        if type(error).__name__ in UNREACHABLE:
            say = f"The model hub cannot be reached. Connect this machine, or {own}."
            raise Failure("offline", say, detail=_line(error)) from error
        raise Failure(
            "broken_off", f"The connection broke while {file.path} came. {AGAIN}", detail=_line(error)
        ) from error
    except OSError as error:
        if "Consistency check failed" not in str(error):
            raise
        say = f"The connection ended before all of {file.path} was here. {AGAIN}"
        raise Failure("broken_off", say, detail=_line(error)) from error


def _answered(model: ModelFacts, file: ModelFile, status: int, page: str, detail: str) -> Failure:
    if status in (401, 403):
        say = f"The hub refuses “{model.title}”. See what {page} asks for; a token goes into HF_TOKEN."
        return Failure("refused", say, detail=detail)
    if status == 404:
        say = f"The hub has no {file.path} of “{model.title}”. Update this product, or give a folder of your own."
        return Failure("missing_file", say, detail=detail)
    return Failure("broken_off", f"The hub answered with an error ({status}). {AGAIN}", detail=detail)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
