"""What the database holds of the second step is sealed, with keys that can be changed."""

from __future__ import annotations

import importlib

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from config.kit import sealing
from tests.accounts.signing_in import app_for, code_of, is_in, sign_in, with_password

pytestmark = pytest.mark.django_db
STEP = "/accounts/2fa/authenticate/"


def kept() -> str:
    """Every secret of the second step, as a stolen copy of the database shows it."""
    with connection.cursor() as cursor:
        cursor.execute("select string_agg(data::text, ' ') from mfa_authenticator")
        return str(cursor.fetchone()[0])


def opens(secret: str) -> bool:
    client = Client()
    sign_in(client)
    client.post(STEP, {"code": code_of(secret)})
    return is_in(client)


def test_neither_the_app_s_secret_nor_the_seed_of_the_codes_lies_in_clear() -> None:
    user = with_password()
    secret = app_for(user)
    codes = RecoveryCodes.activate(user).get_unused_codes()
    assert secret not in kept()
    assert kept().count(sealing.MARK) == 2
    assert not [code for code in codes if code in kept()]
    assert opens(secret)


def test_the_same_secret_never_looks_the_same() -> None:
    assert sealing.seal("secret") != sealing.seal("secret")
    assert sealing.unseal(sealing.seal("Grüße")) == "Grüße"


def test_keys_are_changed_without_shutting_anybody_out(settings: Settings) -> None:
    secret = app_for(with_password())
    settings.ENCRYPTION_KEYS = ["a new key"]
    assert opens(secret)  # the old one, of SECRET_KEY, still opens
    call_command("reseal")
    settings.SECRET_KEY = "quite another key" + "x" * 40
    settings.SECRET_KEY_FALLBACKS = []
    assert sealing.unseal(Authenticator.objects.get().data["secret"]) == secret


def test_after_a_change_of_the_secret_key_the_old_one_still_opens(settings: Settings) -> None:
    sealed = sealing.seal("secret")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "quite another key" + "x" * 40
    assert sealing.unseal(sealed) == "secret"
    again = sealing.reseal(sealed)
    settings.SECRET_KEY_FALLBACKS = []
    assert sealing.unseal(again) == "secret"
    with pytest.raises(sealing.Unreadable):
        sealing.unseal(sealed)


def test_with_a_lost_key_signing_in_says_so_and_the_command_changes_nothing(settings: Settings, client: Client) -> None:
    secret = app_for(with_password())
    before = kept()
    sign_in(client)
    settings.SECRET_KEY = "quite another key" + "x" * 40
    other = Client()
    sign_in(other)
    answer = other.post(STEP, {"code": code_of(secret)})
    assert answer.status_code == 503
    assert "a key of this site is missing" in answer.content.decode()
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("reseal")
    assert kept() == before


@pytest.mark.parametrize("changed", ["sealed:1:gAAAA", "JBSWY3DPEHPK3PXP", ""])
def test_what_was_not_sealed_by_us_is_not_taken(changed: str) -> None:
    with pytest.raises(sealing.Unreadable):
        sealing.unseal(changed)


def test_secrets_from_before_are_sealed_by_the_migration() -> None:
    user = with_password()
    plain = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    Authenticator.objects.create(user=user, type="totp", data={"secret": plain})
    Authenticator.objects.create(user=user, type="recovery_codes", data={"seed": "ab" * 40, "used_mask": 3})
    migration = importlib.import_module("accounts.migrations.0003_seal_second_steps")
    for _ in range(2):  # the second time finds nothing to do
        migration.seal_all(apps, None)
    assert plain not in kept()
    codes = Authenticator.objects.get(type="recovery_codes")
    assert codes.data["used_mask"] == 3
    assert len(RecoveryCodes(codes).get_unused_codes()) == 8
    assert opens(plain)
