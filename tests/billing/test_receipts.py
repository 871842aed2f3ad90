"""What the ledger says of real work: a training with its checkpoints, pictures with their styles."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from billing import ledger
from billing.models import CreditHold, CreditTransaction, Entitlement
from billing.queries import lines_of
from billing.sentences import Line, told, told_all
from generation import actions as generating
from gpu import lifecycle
from tests.builders import make_style, make_version
from tests.generation.making import ask, finish, make_artist
from tests.training.ready import checkpoint_event, done_event, make_ready_style, running_run

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _with_plans(settings: LazySettings) -> None:
    settings.BILLING = True


def newest() -> Line:
    return told(CreditTransaction.objects.latest("pk"))


def test_a_training_unfolds_into_the_checkpoints_that_were_delivered(tmp_path: Path) -> None:
    style = make_ready_style()
    ledger.grant(user=style.owner, amount=50, source_ref="gift", say="A gift")
    _run, job = running_run(style, quality="standard")
    assert newest().row.say == f"Training {style.name} v1"
    for ordinal, step in ((1, 300), (2, 1200)):
        event = checkpoint_event(job, tmp_path, ordinal=ordinal, step=step)
        lifecycle.deliver(job_id=job.pk, fence=job.fence, event=event)
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job, "stopped"))

    line = newest()
    assert line.row.say == f"Training {style.name} v1: 2 of 4 checkpoints"
    assert line.say == "20 of the 40 credits held were paid; the rest is back."
    assert line.sum == [
        ("held when it began", 40),
        ("checkpoint 1 of 4, step 300", -10),
        ("checkpoint 2 of 4, step 1,200", -10),
        ("back to you", 20),
    ]


def test_pictures_say_their_styles_and_how_many_they_are(tmp_path: Path) -> None:
    owner = make_artist()
    Entitlement.objects.create(user=owner, plan="pro")
    styles = [make_style(owner, name=name) for name in ("Harbour", "Carnival line")]
    for style in styles:
        make_version(style)
    mix = [{"id": str(style.public_id), "weight": 0.5} for style in styles]
    request = ask(owner, count=2, styles=mix)
    first, second = request.outputs.all()
    assert newest().row.say == "Picture in Harbour and Carnival line: a fox in the snow"
    finish(first, tmp_path)
    finish(second, tmp_path)
    assert [line.say for line in lines_of(owner)[:2]] == [
        "Picture in Harbour and Carnival line, 2 of 2: a fox in the snow",
        "Picture in Harbour and Carnival line, 1 of 2: a fox in the snow",
    ]


def test_pictures_that_were_ordered_together_are_one_line_that_unfolds(tmp_path: Path) -> None:
    owner = make_artist()
    request = ask(owner, count=3)
    for output in request.outputs.all():
        finish(output, tmp_path)
    later = ask(owner)
    finish(later.outputs.get(), tmp_path)
    CreditHold.objects.filter(job=later.outputs.get().job.public_id).update(created_at=timezone.now() + HOUR)
    single, together, gift = told_all(list(lines_of(owner)))
    assert (single.title, single.amount) == ("Picture: a fox in the snow", -1)
    assert (together.title, together.say, together.amount) == (
        "3 × Picture: a fox in the snow",
        "1 credit each.",
        -3,
    )
    assert together.row.balance == gift.row.balance - 3
    assert together.sum == [
        *((f"Picture, {place} of 3: a fox in the snow", -1) for place in (1, 2, 3)),
        ("together", -3),
    ]


def test_a_single_picture_without_a_style_says_no_more_than_that(tmp_path: Path) -> None:
    finish(ask(prompt="a fox " * 40).outputs.get(), tmp_path)
    say = newest().row.say
    assert say.startswith("Picture: a fox a fox")
    assert say.endswith("…")


def test_a_cancelled_picture_says_that_nothing_was_taken() -> None:
    request = ask(make_artist())
    generating.cancel_request(request=request)
    assert (newest().row.say, newest().row.amount) == ("Picture: a fox in the snow: cancelled", 0)
    assert newest().say == "Nothing was taken: the 1 credit that was held is back."


def test_every_hold_knows_its_tool() -> None:
    ask(make_artist())
    assert CreditTransaction.objects.latest("pk").hold.tool == "text_to_image"  # type: ignore[union-attr]


def test_a_line_that_made_or_paid_a_debt_says_so() -> None:
    artist = make_artist()  # with 100 credits
    ledger.revoke(source_ref=f"test:{artist.public_id}", amount=30, key="refund:re_1", say="Part of a pack")
    assert (newest().say, newest().sum) == ("The money went back, and its credits with it.", [])
    ledger.adjust(user=artist, amount=-90, key="adjust:1", say="Counted twice", actor=None)
    assert newest().sum == [("taken back", 90), ("taken from your balance", -70), ("owed", 20)]
    ledger.grant(user=artist, amount=50, source_ref="session:cs_2", say="Pack of 50")
    assert newest().sum == [("came in", 50), ("paid what was owed", -20), ("to spend", 30)]
