"""Several requests for one style at the same moment, on a real database."""

import threading

import pytest
from django.db import close_old_connections, connection

from config.kit.errors import Refusal
from styles import actions
from styles.actions import Accepted
from styles.models import Style
from tests.builders import make_style, make_user
from tests.styles.pictures import jpeg, upload

pytestmark = pytest.mark.django_db(transaction=True)


def together(*deeds):
    """Run the deeds in threads that start at once; their results in order."""
    gate, results = threading.Barrier(len(deeds)), [None] * len(deeds)

    def run(place, deed):
        try:
            gate.wait()
            results[place] = deed()
        except Refusal as refusal:
            results[place] = refusal
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place, deed)) for place, deed in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()
    return results


def add(style, *seeds):
    return actions.add_references(style=style, files=[upload(jpeg(seed), f"{seed}.jpg") for seed in seeds])


def test_parallel_uploads_get_a_number_each():
    style = make_style()
    verdicts = together(lambda: add(style, 1, 2), lambda: add(style, 3, 4), lambda: add(style, 5, 6))
    assert all(isinstance(verdict, Accepted) for some in verdicts for verdict in some)
    assert sorted(style.references.values_list("position", flat=True)) == [1, 2, 3, 4, 5, 6]


def test_parallel_uploads_of_one_file_keep_it_once():
    style = make_style()
    verdicts = together(*[lambda: add(style, 1)] * 3)
    assert sorted(isinstance(verdict, Accepted) for [verdict] in verdicts) == [False, False, True]
    assert {verdict.code for [verdict] in verdicts if not isinstance(verdict, Accepted)} == {"duplicate"}
    assert style.references.count() == 1


def test_parallel_uploads_never_pass_the_most_there_may_be():
    style = make_style(works=38)
    verdicts = together(lambda: add(style, 1, 2), lambda: add(style, 3, 4), lambda: add(style, 5, 6))
    assert sum(isinstance(verdict, Accepted) for some in verdicts for verdict in some) == 2
    assert style.references.count() == 40


def test_the_last_style_of_a_plan_is_taken_once(settings):
    settings.BILLING = True
    user = make_user()
    together(*[lambda: actions.create_style(owner=user, name="One")] * 3)
    assert Style.objects.owned_by(user).count() == 1


def test_a_double_click_makes_one_sample_style():
    user = make_user()
    together(*[lambda: actions.create_sample_style(owner=user)] * 2)
    assert Style.objects.owned_by(user).count() == 1


def test_versions_are_numbered_without_a_gap_or_a_double():
    style = make_style()
    new = {"style": style, "base": "starter", "method": "lora", "rank": 16, "steps": 100}
    together(*[lambda: actions.new_adapter(**new)] * 4)
    assert sorted(style.adapters.values_list("number", flat=True)) == [1, 2, 3, 4]
