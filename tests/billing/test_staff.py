"""What staff see and may do in the admin: people and the ledger."""

from __future__ import annotations

import uuid

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import AuditEntry, User
from accounts.tokens import create_token, token_of
from billing import ledger
from billing.models import CreditAccount, CreditTransaction, Entitlement
from tests.builders import make_user, staff_client

pytestmark = pytest.mark.django_db
OWN_APPS = ("accounts", "billing")


@pytest.fixture
def artist() -> User:
    user = make_user("ines@example.com")
    ledger.grant(user=user, amount=50, source_ref="start", say="Welcome")
    ledger.release(hold=ledger.hold(user=user, amount=8, key="job:1", say="Picture"), say="Picture: failed")
    create_token(user=user, name="Batch script")
    return user


@pytest.fixture
def staff(client: Client) -> User:
    user = User.objects.create_superuser("staff@example.com", "a hedgerow in November")
    staff_client(user, client=client)
    return user


def own_models() -> list[str]:
    return [f"{m._meta.app_label}/{m._meta.model_name}" for m in admin.site._registry if m._meta.app_label in OWN_APPS]


def test_every_model_of_both_rooms_is_there() -> None:
    from django.apps import apps

    models = {
        f"{m._meta.app_label}/{m._meta.model_name}" for name in OWN_APPS for m in apps.get_app_config(name).get_models()
    }
    assert set(own_models()) == models


def test_every_list_can_be_opened_and_searched(client: Client, staff: User, artist: User) -> None:
    for model in own_models():
        assert client.get(f"/admin/{model}/", {"q": "ines"}).status_code == 200, model


def test_every_row_can_be_opened(client: Client, staff: User, artist: User) -> None:
    Entitlement.objects.create(user=artist, plan="pro")
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label in OWN_APPS and (row := model._default_manager.first()):
            address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/change/"
            assert client.get(address).status_code == 200, model_admin


def test_a_token_s_hash_is_shown_to_nobody(client: Client, staff: User, artist: User) -> None:
    token = artist.tokens.get()
    assert token.hash not in client.get(f"/admin/accounts/apitoken/{token.pk}/change/").content.decode()


def test_staff_can_revoke_a_token(client: Client, staff: User, artist: User) -> None:
    token, plain = create_token(user=artist, name="Lost")
    client.post("/admin/accounts/apitoken/", {"action": "revoke", "_selected_action": [token.pk]})
    assert token_of(plain) is None


@pytest.mark.parametrize("model", ["credittransaction", "creditentry", "creditgrant", "credithold", "creditaccount"])
def test_the_ledger_cannot_be_written_by_hand(client: Client, staff: User, artist: User, model: str) -> None:
    row = ledger.account_of(artist) if model == "creditaccount" else None
    key = row.pk if row else 1
    assert client.get(f"/admin/billing/{model}/add/").status_code == 403
    assert client.post(f"/admin/billing/{model}/{key}/delete/", {"post": "yes"}).status_code in (302, 403)
    client.post(f"/admin/billing/{model}/{key}/change/", {"available": 999, "amount": 999})
    assert CreditAccount.objects.get(user=artist).available == 50


def adjust(client: Client, user: User, **fields: object) -> int:
    address = f"/admin/billing/creditaccount/{ledger.account_of(user).pk}/adjust/"
    key = fields.pop("key", uuid.uuid4())
    body = {"amount": "5", "say": "For the outage", "key": str(key), "_form_submitted": "True"} | fields
    return client.post(address, body).status_code


def test_an_adjustment_goes_through_the_ledger_with_its_author(client: Client, staff: User, artist: User) -> None:
    assert adjust(client, artist) == 200
    newest = CreditTransaction.objects.latest("pk")
    assert (newest.kind, newest.amount, newest.say) == ("adjust", 5, "For the outage")
    assert AuditEntry.objects.get(verb="credits.adjust").actor == staff


def test_the_same_dialog_sent_twice_adjusts_once(client: Client, staff: User, artist: User) -> None:
    key = uuid.uuid4()
    adjust(client, artist, key=key)
    adjust(client, artist, key=key)
    assert ledger.account_of(artist).available == 55


@pytest.mark.parametrize(
    "fields", [{"amount": "0"}, {"amount": "many"}, {"amount": "100001"}, {"say": ""}, {"key": "x"}]
)
def test_an_adjustment_that_cannot_be_changes_nothing(
    client: Client, staff: User, artist: User, fields: dict[str, str]
) -> None:
    adjust(client, artist, **fields)
    assert ledger.account_of(artist).available == 50


def test_looking_at_the_dialog_changes_nothing(client: Client, staff: User, artist: User) -> None:
    html = client.get(f"/admin/billing/creditaccount/{ledger.account_of(artist).pk}/adjust/").content.decode()
    assert "Adjust the credits of this person" in html
    assert ledger.account_of(artist).available == 50


def test_staff_without_the_permission_cannot_adjust(client: Client, artist: User) -> None:
    helper = make_user(is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="view_creditaccount"))
    staff_client(helper, client=client)
    assert adjust(client, artist) == 403
    assert ledger.account_of(artist).available == 50


def test_a_ban_needs_a_reason_and_is_in_the_trail(client: Client, staff: User, artist: User) -> None:
    address = f"/admin/accounts/user/{artist.pk}/ban/"
    client.post(address, {"_form_submitted": "True", "reason": ""})
    artist.refresh_from_db()
    assert artist.state == User.State.ACTIVE
    client.post(address, {"_form_submitted": "True", "reason": "Sold others' styles"})
    artist.refresh_from_db()
    assert (artist.state, artist.is_active) == (User.State.BANNED, False)
    trail = AuditEntry.objects.get(verb="account.ban")
    assert (trail.actor, trail.target, trail.detail) == (staff, artist.public_id, {"reason": "Sold others' styles"})
    client.post(f"/admin/accounts/user/{artist.pk}/unban/", {"_form_submitted": "True"})
    artist.refresh_from_db()
    assert (artist.state, artist.is_active) == (User.State.ACTIVE, True)


def test_nobody_bans_themselves(client: Client, staff: User) -> None:
    client.post(f"/admin/accounts/user/{staff.pk}/ban/", {"_form_submitted": "True", "reason": "Oops"})
    staff.refresh_from_db()
    assert staff.is_active


def test_only_who_has_every_power_gives_powers(client: Client, artist: User) -> None:
    helper = make_user(is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    staff_client(helper, client=client)
    fields = {"name": "Changed", "handle": "", "is_staff": "on", "is_superuser": "on"}
    inlines = {
        "profile-TOTAL_FORMS": "0",
        "profile-INITIAL_FORMS": "0",
        "tokens-TOTAL_FORMS": "0",
        "tokens-INITIAL_FORMS": "0",
    }
    client.post(f"/admin/accounts/user/{helper.pk}/change/", fields | inlines)
    helper.refresh_from_db()
    assert (helper.name, helper.is_superuser) == ("Changed", False)


def test_staff_set_a_plan_and_the_trail_says_so(client: Client, staff: User, artist: User) -> None:
    fields = {"user": str(artist.pk), "plan": "pro", "renews_at_0": "", "renews_at_1": ""}
    client.post("/admin/billing/entitlement/add/", fields)
    assert Entitlement.objects.get(user=artist).plan == "pro"
    assert AuditEntry.objects.get(verb="plan.set").detail == {"plan": "pro"}


def test_staff_without_the_permission_cannot_ban(client: Client, artist: User) -> None:
    helper = make_user(is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="view_user"))
    staff_client(helper, client=client)
    answer = client.post(f"/admin/accounts/user/{artist.pk}/ban/", {"_form_submitted": "True", "reason": "x"})
    assert answer.status_code == 403
    artist.refresh_from_db()
    assert artist.is_active


def test_who_is_not_staff_sees_nothing(client: Client, artist: User) -> None:
    client.force_login(artist)
    for model in own_models():
        assert client.get(f"/admin/{model}/").status_code == 302, model
