"""`make run STRIPE=double`: what the site is given, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.stack import payments
from config.stack.address import Address
from config.stack.payments import StripeDouble
from config.stack.state import State, Trouble
from tests.stack.test_start import _run

_REAL = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_HOST")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    for name in ("STRIPE", *_REAL):
        monkeypatch.delenv(name, raising=False)
    made = State(tmp_path / "var")
    made.make()
    return made


def _asked(state: State, monkeypatch: pytest.MonkeyPatch, host: str = "localhost") -> StripeDouble:
    monkeypatch.setenv("STRIPE", "double")
    double = StripeDouble.from_environment(state, Address(host, 8000))
    assert double is not None
    return double


def test_without_being_asked_for_there_is_none(state: State) -> None:
    assert StripeDouble.from_environment(state, Address("localhost", 8000)) is None


def test_the_site_is_led_to_the_double_with_keys_that_stay(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    double = _asked(state, monkeypatch)
    env = double.env()
    assert (env["BILLING"], env["STRIPE_API_HOST"], env["STRIPE_PAGES"]) == ("on", double.url, double.url)
    assert double.url == f"http://localhost:{double.port}"
    assert env["STRIPE_SECRET_KEY"].startswith("sk_test_")
    again = _asked(state, monkeypatch)
    assert (again.port, again.env()) == (double.port, env)


def test_its_secrets_are_in_no_command_line(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    double = _asked(state, monkeypatch)
    program = double.program()
    assert "http://localhost:8000/stripe/webhook/" in program.argv
    secrets = (double.env()["STRIPE_SECRET_KEY"], double.env()["STRIPE_WEBHOOK_SECRET"])
    assert not set(secrets) & set(program.argv)
    assert set(secrets) <= set(program.env.values())


def test_the_plans_are_offered_once_for_each_catalogue(
    state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "billing").mkdir()
    (tmp_path / "billing/catalogue.toml").write_text("one")
    monkeypatch.setattr(payments, "ROOT", tmp_path)
    double = _asked(state, monkeypatch)
    step = double.offers({})
    assert step is not None
    assert step.program.argv[-2:] == ["stripe_sync", "--apply"]
    state.write_json("prepared.json", {"stripe_sync": step.stamp})
    assert double.offers({}) is not None  # the double has nothing yet
    (state.root / "stripe-double-state.json").write_text("{}")
    assert double.offers({}) is None
    (tmp_path / "billing/catalogue.toml").write_text("two")
    assert double.offers({}) is not None


@pytest.mark.parametrize("name", _REAL)
def test_the_double_and_real_keys_exclude_each_other(tmp_path: Path, name: str) -> None:
    answer = _run(tmp_path, **{**dict.fromkeys(_REAL, ""), "STRIPE": "double", name: "given"})
    assert answer.returncode == 1
    assert answer.stderr == (
        f"ArtistCloner: STRIPE=double was asked for, and {name} is set, which means Stripe itself. "
        "Leave one of them out.\n"
    )


def test_another_word_is_refused(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE", "live")
    with pytest.raises(Trouble, match="it can be `double`"):
        StripeDouble.from_environment(state, Address("localhost", 8000))
