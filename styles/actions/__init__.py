"""Everything that changes a style. Each verb is one deed; bad input raises `Refusal`."""

from styles.actions.adapters import activate_adapter, fail_adapter, finish_adapter, keep_works, new_adapter
from styles.actions.imports import import_adapter
from styles.actions.papers import declare, record_consent, revoke_consent
from styles.actions.references import (
    Accepted,
    Incoming,
    Refused,
    add_references,
    delete_reference,
    restore_reference,
    set_caption,
)
from styles.actions.samples import create_sample_style
from styles.actions.status import refresh_status
from styles.actions.studying import keep_in_set, note_study, start_due_studies
from styles.actions.styles import (
    MAKEABLE,
    change_kind,
    change_style,
    create_style,
    delete_style,
    describe,
    rename,
    restore_style,
)
from styles.actions.using import note_use, use_instead

__all__ = [
    "MAKEABLE",
    "Accepted",
    "Incoming",
    "Refused",
    "activate_adapter",
    "add_references",
    "change_kind",
    "change_style",
    "create_sample_style",
    "create_style",
    "declare",
    "delete_reference",
    "delete_style",
    "describe",
    "fail_adapter",
    "finish_adapter",
    "import_adapter",
    "keep_in_set",
    "keep_works",
    "note_study",
    "note_use",
    "new_adapter",
    "record_consent",
    "refresh_status",
    "rename",
    "restore_reference",
    "restore_style",
    "revoke_consent",
    "set_caption",
    "use_instead",
    "start_due_studies",
]
