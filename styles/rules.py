"""What must hold before a style may be made, filled or trained. Each rule speaks in a sentence."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from billing.plans import plan_of
from config.kit.errors import Refusal
from config.kit.limits import limit
from styles import queries
from styles.models import Style

_REFERENCES = {
    # fewer overfit single pictures; more than these blur what they share
    Style.Kind.ART: (20, 40),
    Style.Kind.PERSON: (10, 20),
    Style.Kind.CHARACTER: (10, 20),
    # an imported LoRA may keep works beside it, and learn from them later
    Style.Kind.IMPORTED: (20, 40),
}


def MIN_REFERENCES(kind: str) -> int:
    return _REFERENCES[Style.Kind(kind)][0]


def MAX_REFERENCES(kind: str) -> int:
    return _REFERENCES[Style.Kind(kind)][1]


UPLOADS, UPLOAD_SECONDS = 400, 600  # ten full sets in ten minutes


def not_too_fast(owner: User, *, files: int) -> None:
    """Raises `TooMany` past the limit: opening pictures costs a core and memory."""
    for _file in range(files):
        limit(
            "upload",
            str(owner.pk),
            times=UPLOADS,
            seconds=UPLOAD_SECONDS,
            say=_("That is many files in a short time. Those before are here; wait a few minutes, then go on."),
        )


def may_have_another(owner: User) -> None:
    """Raises `Refusal` where the plan's styles are used up. The sample style does not count."""
    plan = plan_of(owner)
    if plan.max_styles is None:
        return
    if Style.objects.owned_by(owner).filter(is_sample=False).count() >= plan.max_styles:
        raise Refusal(
            ngettext(
                "Your plan, %(plan)s, holds %(n)d style. Delete it, or choose a larger plan to add another.",
                "Your plan, %(plan)s, holds %(n)d styles. Delete one, or choose a larger plan to add another.",
                plan.max_styles,
            )
            % {"plan": plan.name, "n": plan.max_styles},
            code="plan_styles",
            status=402,
        )


def ready_to_train(style: Style, *, purpose: str | None = None) -> None:
    """Raises `Refusal` with what is missing: works, the declaration, or the depicted person's consent."""
    if purpose == "person" and style.kind != Style.Kind.PERSON:
        raise Refusal(
            _("To teach a person's likeness, make a style of the kind Person: it keeps their consent."),
            code="not_a_person",
            field="purpose",
        )
    here, needed, most = style.references.count(), MIN_REFERENCES(style.kind), MAX_REFERENCES(style.kind)
    if here < needed:
        raise Refusal(
            ngettext(
                "%(here)d of %(needed)d works are here. Add %(more)d more to train.",
                "%(here)d of %(needed)d works are here. Add %(more)d more to train.",
                here,
            )
            % {"here": here, "needed": needed, "more": needed - here},
            code="too_few_references",
        )
    if here > most:
        raise Refusal(
            _("%(here)d works are here, and %(most)d are the most for this kind. Remove %(less)d to train.")
            % {"here": here, "most": most, "less": here - most},
            code="too_many_references",
        )
    if queries.current_declaration(style) is None:
        raise Refusal(
            _(
                "First say whether you made these works or may use them: on the style's page, "
                "or as `declaration` in the API."
            ),
            code="declaration_missing",
            field="declaration",
        )
    if style.kind == Style.Kind.PERSON and queries.valid_consent(style) is None:
        raise Refusal(
            _("A person's likeness is trained only with that person's consent. Record it on the style's page."),
            code="consent_missing",
        )


def is_ready(style: Style) -> bool:
    try:
        ready_to_train(style)
    except Refusal:
        return False
    return True
