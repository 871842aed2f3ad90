"""What can go wrong in a job, in words for the artist and a code for the worker."""

from __future__ import annotations

import errno

# What torch, CUDA and its libraries say where they do not raise OutOfMemoryError.
OUT_OF_MEMORY = ("can't allocate memory", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED")


class Failure(Exception):
    """A job cannot go on. `code` is for machines, `say` for the artist, `detail` for staff.

    `retryable` is False where another try with the same spec must fail in the same way.
    """

    def __init__(self, code: str, say: str, *, detail: str = "", retryable: bool = True) -> None:
        super().__init__(f"{code}: {say} {detail}".strip())
        self.code = code
        self.say = say
        self.detail = detail
        self.retryable = retryable


def bad_spec(say: str, *, detail: str = "") -> Failure:
    return Failure("bad_spec", say, detail=detail, retryable=False)


def missing_file(what: str, path: object) -> Failure:
    return Failure("missing_file", f"{what} could not be found. Please try again.", detail=str(path))


def bad_weights(say: str, *, detail: str = "") -> Failure:
    return Failure("bad_weights", say, detail=detail, retryable=False)


def from_exception(error: BaseException) -> Failure:
    """Names any exception. What nobody foresaw becomes `internal`, with its type and text for staff."""
    if isinstance(error, Failure):
        return error
    detail = f"{type(error).__name__}: {error}"[:2000]
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(sign in detail for sign in OUT_OF_MEMORY)
    ):
        return Failure(
            "out_of_memory",
            "This needs more memory than the machine has: try a smaller size, or fewer images at a time.",
            detail=detail,
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Failure("no_space", "The disk of the GPU worker is full. Staff has to make room.", detail=detail)
    if isinstance(error, FileNotFoundError):
        return missing_file("A file of this job", detail)
    return Failure(
        "internal", "Something went wrong on our side. Nothing was charged; please try again.", detail=detail
    )
