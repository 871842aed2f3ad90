"""What must hold before a style may be made, filled or trained. Each rule speaks in a sentence."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from billing import allowance
from config.kit.errors import Refusal
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


def not_too_fast(owner: User, *, files: int) -> None:
    """Raises `TooMany` past the plan's rate: opening pictures costs a core and memory."""
    allowance.rate(owner, "upload", times=files)


def may_have_another(owner: User) -> None:
    """Raises `PlanLimit` where the plan's styles are used up. The sample style does not count."""
    allowance.allow_another_style(owner, owned=queries.counted(owner).count())


def no_room(owner: User) -> Refusal | None:
    """The same, told before anything is brought."""
    return allowance.told_before(lambda: may_have_another(owner))


def may_work_with(style: Style) -> None:
    """Raises `PlanLimit` where the style is read-only: beyond those that its owner's plan keeps in use."""
    if queries.is_read_only(style):
        raise read_only(style)


def read_only(style: Style) -> allowance.PlanLimit:
    """What is said of a read-only style."""
    owned = queries.counted(style.owner).count()
    return allowance.style_is_read_only(style.owner, name=style.name, owned=owned)


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
