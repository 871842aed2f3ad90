"""What staff see and may do in the admin: people and the ledger."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts import audit, outbox
from accounts.models import AuditEntry, Outbox, User
from accounts.tokens import create_token, token_of
from billing import ledger
from billing.models import (
    CreditAccount,
    CreditGrant,
    CreditTransaction,
    Entitlement,
    Purchase,
    StripeCustomer,
    StripeEvent,
)
from billing.payments import checkout
from tests.builders import make_user, staff_client
from tests.fakes.stripe import StripeDouble

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


def test_powers_stand_folded_on_a_persons_page_and_only_who_has_every_power_sees_them(
    client: Client, staff: User, artist: User
) -> None:
    address = f"/admin/accounts/user/{artist.pk}/change/"
    html = client.get(address).content.decode()
    folded = html[html.index("collapse") :]
    assert all(f'name="{field}"' in folded for field in ("is_staff", "is_superuser", "groups"))
    assert "user_permissions" not in html
    helper = make_user(is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    html = staff_client(helper).get(address).content.decode()
    assert artist.email in html
    assert not [field for field in ("is_superuser", "user_permissions", "Groups") if field in html]


def test_the_thousands_of_a_persons_credits_are_set_apart(client: Client, staff: User, artist: User) -> None:
    CreditAccount.objects.filter(user=artist).update(available=12_345, held=6_789)
    for page in ("", f"{artist.pk}/change/"):
        assert "12,345 (6,789 held)" in client.get(f"/admin/accounts/user/{page}").content.decode()


def ask(client: Client, address: str, **fields: object) -> int:
    """Send a dialog of the admin."""
    return client.post(address, {"_form_submitted": "True", **fields}).status_code


def test_staff_give_a_plan_and_take_it_back_and_the_trail_says_so(client: Client, staff: User, artist: User) -> None:
    address = f"/admin/accounts/user/{artist.pk}/give_plan/"
    ask(client, address, plan="pro", reason="")
    assert not Entitlement.objects.filter(user=artist).exists()
    ask(client, address, plan="pro", reason="A grant for the arts")
    assert Entitlement.objects.get(user=artist).plan == "pro"
    trail = AuditEntry.objects.get(verb="plan.give")
    assert (trail.actor, trail.detail["reason"]) == (staff, "A grant for the arts")
    ask(client, address, plan="none", reason="It is over")
    assert Entitlement.objects.get(user=artist).plan == "free"


def test_an_entitlement_is_written_by_nobody_s_hand(client: Client, staff: User, artist: User) -> None:
    row = Entitlement.objects.create(user=artist, plan="pro")
    assert client.get("/admin/billing/entitlement/add/").status_code == 403
    assert client.post(f"/admin/billing/entitlement/{row.pk}/change/", {"plan": "enterprise"}).status_code == 403
    row.refresh_from_db()
    assert row.plan == "pro"


def test_staff_grant_credits_once_a_dialog_with_a_life_and_their_name(
    client: Client, staff: User, artist: User
) -> None:
    address, key = f"/admin/accounts/user/{artist.pk}/grant_credits/", str(uuid.uuid4())
    for _ in range(2):
        assert ask(client, address, amount="30", days="10", say="For the report", key=key) == 200
    granted = CreditGrant.objects.get(source_ref=f"staff:{key}")
    assert (granted.amount, granted.say) == (30, "For the report")
    assert granted.expires_at is not None
    assert timedelta(days=9) < granted.expires_at - timezone.now() < timedelta(days=10)
    assert ledger.account_of(artist).available == 80
    trail = AuditEntry.objects.get(verb="credits.grant")
    assert (trail.actor, trail.detail["amount"]) == (staff, 30)


@pytest.mark.parametrize("fields", [{"amount": "0"}, {"amount": "-5"}, {"say": ""}, {"days": "0"}, {"key": "x"}])
def test_a_grant_that_cannot_be_changes_nothing(
    client: Client, staff: User, artist: User, fields: dict[str, str]
) -> None:
    body: dict[str, object] = {"amount": "30", "days": "", "say": "Why", "key": str(uuid.uuid4()), **fields}
    ask(client, f"/admin/accounts/user/{artist.pk}/grant_credits/", **body)
    assert ledger.account_of(artist).available == 50


def test_staff_without_the_permission_give_nothing(client: Client, artist: User) -> None:
    helper = make_user(is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    staff_client(helper, client=client)
    person = f"/admin/accounts/user/{artist.pk}"
    assert ask(client, f"{person}/give_plan/", plan="pro", reason="Why not") == 403
    assert ask(client, f"{person}/grant_credits/", amount="30", say="x", key=str(uuid.uuid4())) == 403
    assert ledger.account_of(artist).available == 50


def test_a_person_s_page_says_all_that_staff_are_asked(client: Client, staff: User, artist: User) -> None:
    Entitlement.objects.create(user=artist, plan="pro", given="pro")
    EmailAddress.objects.create(user=artist, email="other@example.com", verified=True)
    SocialAccount.objects.create(user=artist, provider="google", uid="1")
    audit.record(actor=staff, verb="account.unban", target_kind="user", target=artist.public_id)
    html = client.get(f"/admin/accounts/user/{artist.pk}/change/").content.decode()
    for said in ("pro (given pro)", "other@example.com", "google", "Account let in again", "staff@example.com"):
        assert said in html, said
    row = client.get("/admin/accounts/user/", {"q": "other@example.com"}).content.decode()
    assert "ines@example.com" in row


def test_no_list_shows_what_opens_an_account_or_stripe(client: Client, staff: User) -> None:
    shown = {f"{m._meta.app_label}.{m.__name__}" for m in admin.site._registry}
    leaking = {"djstripe.APIKey", "djstripe.WebhookEndpoint", "djstripe.WebhookEventTrigger", "socialaccount.SocialApp"}
    leaking |= {"socialaccount.SocialToken", "mfa.Authenticator", "usersessions.UserSession", "account.EmailAddress"}
    assert shown & leaking == set()


def test_the_mirror_of_stripe_can_be_read_and_not_written(client: Client, staff: User) -> None:
    mirrored = [m._meta.model_name for m in admin.site._registry if m._meta.app_label == "djstripe"]
    assert "invoice" in mirrored
    for name in mirrored:
        assert client.get(f"/admin/djstripe/{name}/", {"q": "x"}).status_code == 200, name
        assert client.get(f"/admin/djstripe/{name}/add/").status_code == 403, name


def test_a_stripe_event_shows_its_raw_body(client: Client, staff: User) -> None:
    event = StripeEvent.objects.create(
        event="evt_1",
        kind="invoice.paid",
        customer="cus_1",
        livemode=False,
        body='{"id":"evt_1","x":"<b>"}',
        created_at=timezone.now(),
    )
    html = client.get(f"/admin/billing/stripeevent/{event.pk}/change/").content.decode()
    assert "&quot;id&quot;: &quot;evt_1&quot;" in html
    assert "<b>" not in html.split("<pre>")[1].split("</pre>")[0]


def test_staff_settle_a_customer_whose_news_were_lost(
    client: Client, staff: User, artist: User, stripe_double: StripeDouble
) -> None:
    call_command("stripe_sync", "--apply", verbosity=0, stdout=io.StringIO())
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    stripe_double.pay(visit.session_url)
    stripe_double.deliver(lose=["*"])
    assert ledger.account_of(artist).available == 50
    row = StripeCustomer.objects.get(user=artist)
    for _ in range(2):
        client.post("/admin/billing/stripecustomer/", {"action": "settle_now", "_selected_action": [row.pk]})
    assert ledger.account_of(artist).available == 100
    assert AuditEntry.objects.filter(verb="stripe.settle", actor=staff, target=artist.public_id).count() == 2


def test_without_a_key_there_is_nobody_to_settle_with(client: Client, staff: User, artist: User) -> None:
    row = StripeCustomer.objects.create(user=artist, customer="cus_1", livemode=False)
    body = {"action": "settle_now", "_selected_action": [row.pk]}
    html = client.post("/admin/billing/stripecustomer/", body, follow=True).content.decode()
    assert "No Stripe key is set here" in html
    row.refresh_from_db()
    assert row.settled_at is None


def test_a_link_to_checkout_is_shown_to_nobody(client: Client, staff: User, artist: User) -> None:
    row = Purchase.objects.create(
        user=artist, kind="pack", lookup_key="pack_50", session_url="https://pay.example/secret"
    )
    assert "pay.example" not in client.get(f"/admin/billing/purchase/{row.pk}/change/").content.decode()


def test_what_was_given_up_can_be_tried_again_and_its_words_stay_unseen(client: Client, staff: User) -> None:
    stuck = Outbox.objects.create(kind="mail", key="1", payload={"body": "a secret"}, attempts=outbox.MAX_ATTEMPTS)
    html = client.get("/admin/accounts/outbox/", {"given_up": "yes"}).content.decode()
    assert "given up" in html
    assert "a secret" not in client.get(f"/admin/accounts/outbox/{stuck.pk}/change/").content.decode()
    client.post("/admin/accounts/outbox/", {"action": "try_again", "_selected_action": [stuck.pk]})
    stuck.refresh_from_db()
    assert stuck.attempts == 0


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
