"""Making, naming, deleting and restoring styles."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from config.kit.errors import Conflict, Refusal
from config.kit.text import one_line
from styles import rules
from styles.actions.papers import declare
from styles.actions.status import refresh_status
from styles.actions.triggers import free_trigger_word
from styles.models import Adapter, Style

MAX_NAME = 80
MAX_DESCRIPTION = 500
MAKEABLE = (Style.Kind.ART, Style.Kind.PERSON, Style.Kind.CHARACTER)


@transaction.atomic
def create_style(
    *,
    owner: User,
    name: str,
    kind: str = "art",
    description: str = "",
    declaration: str | None = None,
    is_sample: bool = False,
) -> Style:
    """An empty style with a trigger word of its own. Raises `Refusal`, also where the plan's styles are used up."""
    name = clean_name(name)
    description = one_line(description, field="description", name=_("The description"), most=MAX_DESCRIPTION)
    if kind not in MAKEABLE:
        raise Refusal(_("Choose Art, Person or Character as the kind."), code="unknown_kind", field="kind")
    User.objects.select_for_update().get(pk=owner.pk)  # two tabs must not both take the last place of a plan
    if not is_sample:
        rules.may_have_another(owner)
    style = Style.objects.create(
        owner=owner,
        name=name,
        kind=kind,
        description=description,
        trigger_word=free_trigger_word(),
        is_sample=is_sample,
        allow_flip=kind == Style.Kind.ART,  # nobody's face is symmetrical
    )
    audit.record(actor=owner, verb="style.create", target_kind="style", target=style.public_id, detail={"kind": kind})
    if declaration is not None:
        declare(style=style, user=owner, choice=declaration)
    return style


def rename(*, style: Style, name: str) -> Style:
    rules.may_work_with(style)
    style.name = clean_name(name)
    style.save(update_fields=["name", "updated_at"])
    return style


def describe(*, style: Style, description: str) -> Style:
    rules.may_work_with(style)
    style.description = one_line(description, field="description", name=_("The description"), most=MAX_DESCRIPTION)
    style.save(update_fields=["description", "updated_at"])
    return style


@transaction.atomic
def change_style(
    *,
    style: Style,
    user: User,
    name: str | None = None,
    kind: str | None = None,
    description: str | None = None,
    declaration: str | None = None,
) -> Style:
    """Several changes at once: all of them, or none. What is None stays."""
    if name is not None:
        rename(style=style, name=name)
    if description is not None:
        describe(style=style, description=description)
    if kind is not None:
        change_kind(style=style, kind=kind)
    if declaration is not None:
        declare(style=style, user=user, choice=declaration)
    return style


def change_kind(*, style: Style, kind: str) -> Style:
    """Another kind asks for other numbers and papers; once a version was learned it stays what it is."""
    if kind == style.kind:
        return style
    rules.may_work_with(style)
    if kind not in MAKEABLE:
        raise Refusal(_("Choose Art, Person or Character as the kind."), code="unknown_kind", field="kind")
    if style.adapters.exists():
        raise Conflict(_("The kind cannot change once the style was trained. Make a new style."), code="kind_fixed")
    style.kind = kind
    style.allow_flip = kind == Style.Kind.ART
    style.save(update_fields=["kind", "allow_flip", "updated_at"])
    return refresh_status(style=style)


@transaction.atomic
def delete_style(*, style: Style, actor: User | None = None) -> Style:
    """Hide it from everything. Its files stay for 30 days, in which `restore_style` brings it back."""
    style = Style.objects.with_deleted().select_for_update().get(pk=style.pk)
    if style.deleted_at is not None:
        return style
    if style.adapters.filter(state=Adapter.State.FORMING).exists():
        raise Conflict(_("It is being trained. Stop or cancel the training first."), code="training")
    style.deleted_at = timezone.now()
    style.save(update_fields=["deleted_at", "updated_at"])
    audit.record(actor=actor or style.owner, verb="style.delete", target_kind="style", target=style.public_id)
    return style


@transaction.atomic
def restore_style(*, style: Style, actor: User | None = None) -> Style:
    """Bring a deleted style back, if its files are still there and the plan has room."""
    User.objects.select_for_update().get(pk=style.owner_id)
    style = Style.objects.with_deleted().select_for_update().get(pk=style.pk)
    if style.deleted_at is None:
        return style
    if style.purged_at is not None:
        raise Conflict(_("It was deleted more than 30 days ago; its files are gone."), code="purged")
    if not style.is_sample:
        rules.may_have_another(style.owner)
    elif (
        Style.objects.owned_by(style.owner).filter(is_sample=True).exists()
    ):  # no plan counts it: it stays the only one
        say = _("There is one sample, and yours is here already. Delete it first to bring this one back.")
        raise Conflict(say, code="sample_is_here")
    style.deleted_at = None
    style.save(update_fields=["deleted_at", "updated_at"])
    audit.record(actor=actor or style.owner, verb="style.restore", target_kind="style", target=style.public_id)
    return style


def clean_name(name: str) -> str:
    """A style's name, fit to be stored. Raises `Refusal`."""
    name = one_line(name, field="name", name=_("The name"), most=MAX_NAME)
    if not name:
        raise Refusal(_("Give the style a name."), code="name_missing", field="name")
    return name
