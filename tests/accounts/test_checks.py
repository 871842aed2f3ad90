"""The checks of a first start: they run before there is any table, and this test is given no database."""

from django.core.management import call_command


def test_the_system_checks_pass_without_a_database() -> None:
    call_command("check", fail_level="WARNING")
