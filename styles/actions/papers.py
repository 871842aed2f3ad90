"""What a person declares about the works, and what a depicted person agreed to."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from config.kit.errors import Refusal
from config.kit.text import one_line
from styles.actions.status import refresh_status
from styles.erasing import erase_versions
from styles.models import Consent, Declaration, Style
from styles.wordings import CONSENT_VERSION, CONSENTS, DECLARATION_VERSION, DECLARATIONS, IMPORT_DECLARATION_VERSION

MAX_CONSENT = datetime.timedelta(days=731)  # two years; then the person is asked again


def declaration_version(style: Style) -> str:
    """The wordings that are asked for such a style."""
    return IMPORT_DECLARATION_VERSION if style.kind == Style.Kind.IMPORTED else DECLARATION_VERSION


@transaction.atomic
def declare(*, style: Style, user: User, choice: str, files: Sequence[str] = ()) -> Declaration:
    """Record *I made this* or *I may use this*, with its wording, the time and the files it is about.

    `files` are the hashes of more than its works: of a LoRA that was imported.
    """
    version = declaration_version(style)
    if choice not in DECLARATIONS[version]:
        raise Refusal(
            _("Say either `made` (I made these works) or `may_use` (I may use them)."),
            code="unknown_declaration",
            field="declaration",
        )
    style = Style.objects.select_for_update().get(pk=style.pk)
    declaration = Declaration.objects.create(
        style=style,
        user=user,
        choice=choice,
        text_version=version,
        file_hashes=[*files, *style.references.values_list("sha256", flat=True)],
    )
    audit.record(
        actor=user, verb="style.declare", target_kind="style", target=style.public_id, detail={"choice": choice}
    )
    refresh_status(style=style)
    return declaration


@transaction.atomic
def record_consent(
    *, style: Style, user: User, subject_name: str, is_adult: bool, agreed: bool, expires_on: datetime.date
) -> Consent:
    """Record the depicted adult's agreement. An earlier one is replaced."""
    name = one_line(subject_name, field="subject_name", name=_("The name"), most=120)
    if not name:
        raise Refusal(_("Write the name of the person in the pictures."), code="name_missing", field="subject_name")
    if not is_adult:
        raise Refusal(
            _("Only adults can be taught: say that the person is 18 or older."), code="not_adult", field="is_adult"
        )
    if not agreed:
        raise Refusal(_("The person's agreement is needed first."), code="not_agreed", field="agreed")
    now = timezone.now()
    expires_at = datetime.datetime.combine(expires_on, datetime.time.max, datetime.UTC)
    if not now < expires_at <= now + MAX_CONSENT:
        raise Refusal(_("Choose a day from today to two years from now."), code="bad_expiry", field="expires_on")
    style.consents.filter(revoked_at=None).update(revoked_at=now)
    consent = Consent.objects.create(
        style=style,
        recorded_by=user,
        subject_name=name,
        is_adult=True,
        statement=str(CONSENTS[CONSENT_VERSION]),
        text_version=CONSENT_VERSION,
        expires_at=expires_at,
    )
    audit.record(actor=user, verb="consent.record", target_kind="style", target=style.public_id)
    refresh_status(style=style)
    return consent


def revoke_consent(*, consent: Consent, actor: User) -> Consent:
    """The person took it back: what was learned of them is erased, and nothing more is taught."""
    with transaction.atomic():
        if consent.revoked_at is not None:
            return consent
        consent.revoked_at = timezone.now()
        consent.save(update_fields=["revoked_at"])
        audit.record(actor=actor, verb="consent.revoke", target_kind="style", target=consent.style.public_id)
    erase_versions(consent.style)
    return consent
