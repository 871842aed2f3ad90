"""The checks of a first start, and what its settings refuse: before there is any table, and without a database."""

import os
import subprocess
import sys

import pytest
from django.core.management import call_command

from config.stack.state import ROOT


def test_the_system_checks_pass_without_a_database() -> None:
    call_command("check", fail_level="WARNING")


def started(settings: str, print_this: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a process with these variables has for settings."""
    env = {"PATH": os.environ["PATH"], **variables}
    argv = [sys.executable, "-c", f"from config.settings import {settings} as it; print({print_this})"]
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["GOOGLE_URL", "DISCORD_URL"])
def test_in_production_nobody_else_is_google_or_discord(name: str) -> None:
    needed = {"SECRET_KEY": "x" * 50, "PUBLIC_URL": "https://artist.example", "REDIS_URL": "redis://r"}
    needed |= {"DATABASE_URL": "postgres://d/d"}
    assert started("prod", "it.HTTPS", **needed).stdout == "True\n"
    refused = started("prod", "it.HTTPS", **needed, **{name: "http://localhost:9009"})
    assert refused.returncode == 1
    assert f"{name} is for trying out" in refused.stderr


def test_a_browser_may_go_on_to_the_server_that_stands_in_for_a_provider_and_to_no_other() -> None:
    leads_to = "it.CONTENT_SECURITY_POLICY['DIRECTIVES']['form-action'][1:3]"
    assert "accounts.google.com" in started("base", leads_to).stdout
    stand_in = started("base", leads_to, GOOGLE_URL="http://localhost:9/google/").stdout
    assert "http://localhost:9/google" in stand_in
    assert "accounts.google.com" not in stand_in
    assert "discord.com" in stand_in


def test_the_routes_of_a_provider_are_there_only_with_its_id() -> None:
    apps = "[name for name in it.INSTALLED_APPS if 'providers' in name]"
    assert started("base", apps).stdout == "[]\n"
    assert "google" in started("base", apps, GOOGLE_CLIENT_ID="x").stdout
