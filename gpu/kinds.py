"""The kinds of job: what the rooms above teach the queue. Filled in their `AppConfig.ready()`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpu.engine import contract

if TYPE_CHECKING:
    from gpu.models import Job


def _nothing(job: Job) -> None:
    pass


@dataclass(frozen=True)
class Receipt:
    """What the ledger says of a success: its line, and the parts that it unfolds into, each with its credits."""

    say: str
    parts: Sequence[tuple[str, int]] = ()


def _of_its_hold(job: Job) -> Receipt:
    return Receipt(job.hold.say if job.hold else "")


@dataclass(frozen=True)
class JobKind:
    """How one kind of job is built, kept and shown.

    `on_event`, `on_success`, `on_end` and `on_requeue` run inside the transaction that makes the move, with the Job
    row locked: they write rows and files under keys of their own, and send nothing.
    """

    name: str
    # Called by the worker after the claim; the folder is the attempt's own, and the spec's `out_dir`.
    build_spec: Callable[[Job, Path], contract.Spec]
    # Every event that leaves something behind: metric, bucket, sample, snapshot, checkpoint, artifact.
    on_event: Callable[[Job, contract.Event], None]
    # Returns the credits of what was delivered; the rest of the hold goes back.
    on_success: Callable[[Job, contract.Done], int]
    # Failed or cancelled.
    on_end: Callable[[Job], None]
    # Fragments for the owner's tabs, roots with ids; "" for none.
    render: Callable[[Job], str]
    render_preview: Callable[[Job, int, str], str]
    # The title and the address of the job's row in the studio.
    describe: Callable[[Job], tuple[str, str]]
    on_requeue: Callable[[Job], None] = _nothing
    # Asked after `on_success`, in the same transaction.
    receipt: Callable[[Job], Receipt] = _of_its_hold
    # Long work with snapshots: it gives way to short work that has waited.
    gives_way: bool = False
    # Done on the side for nothing: it is not shown as work, and everything else goes before it.
    quiet: bool = False


_kinds: dict[str, JobKind] = {}


def register(kind: JobKind) -> None:
    _kinds[kind.name] = kind


def get(name: str) -> JobKind:
    """Raises KeyError for a kind that no room registered."""
    return _kinds[name]


def names() -> list[str]:
    return list(_kinds)


def quiet_kinds() -> list[str]:
    """The kinds that are not shown as work."""
    return [kind.name for kind in _kinds.values() if kind.quiet]


def long_kinds() -> list[str]:
    """The kinds that give way."""
    return [kind.name for kind in _kinds.values() if kind.gives_way]
