"""Asking for pictures: what is read, what is refused, what is held."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from billing.ledger import InsufficientCredits, account_of
from config.kit.errors import Refusal
from generation import actions
from generation.models import Output, Request
from generation.prompts import with_triggers
from gpu.models import Job
from styles.actions import delete_style
from styles.models import Style
from tests.builders import make_style, make_user, make_version
from tests.generation.making import ask, make_artist

pytestmark = pytest.mark.django_db


def test_each_picture_is_a_job_with_a_seed_of_its_own_and_a_hold() -> None:
    artist = make_artist(credits=10)
    request = ask(artist, count=4, seed=100)
    outputs = list(request.outputs.select_related("job"))
    assert [output.seed for output in outputs] == [100, 101, 102, 103]
    assert [output.job.state for output in outputs] == ["queued"] * 4
    assert {output.job.subject for output in outputs} == {output.public_id for output in outputs}
    purse = account_of(artist)
    assert (purse.available, purse.held) == (6, 4)


def test_what_is_left_out_is_the_bases_own() -> None:
    request = ask()
    assert request.params == {
        "base": "starter", "width": 128, "height": 128, "steps": 20, "guidance": 4.0, "tier": "fine", "count": 1,
        "options": {},
    }  # fmt: skip
    assert 0 <= request.seed < 2**32


def test_the_seed_after_the_last_is_the_first() -> None:
    request = ask(count=2, seed=2**32 - 1)
    assert [output.seed for output in request.outputs.all()] == [2**32 - 1, 0]


@pytest.mark.parametrize(
    ("wish", "field", "says"),
    [
        ({"prompt": "  "}, "prompt", "empty"),
        ({"prompt": "x" * 1001}, "prompt", "1,000 are the most"),
        ({"prompt": "a\x00b"}, "prompt", "cannot be shown"),
        ({"prompt": "a\ud800b"}, "prompt", "cannot be shown"),
        ({"prompt": 7}, "prompt", "text"),
        ({"negative_prompt": "x" * 1001}, "negative_prompt", "1,000 are the most"),
        ({"width": 100, "height": 100}, "width", "128 × 128, 96 × 128"),
        ({"width": 128}, "width", "these sizes"),
        ({"width": "wide", "height": []}, "width", "these sizes"),
        ({"steps": 0}, "steps", "from 1 to 50"),
        ({"steps": 51}, "steps", "from 1 to 50"),
        ({"steps": "many"}, "steps", "from 1 to 50"),
        ({"steps": 2.5}, "steps", "whole number"),
        ({"steps": True}, "steps", "whole number"),
        ({"guidance": -1}, "guidance", "from 0 to 20"),
        ({"guidance": float("nan")}, "guidance", "from 0 to 20"),
        ({"guidance": float("inf")}, "guidance", "from 0 to 20"),
        ({"guidance": {}}, "guidance", "from 0 to 20"),
        ({"seed": -1}, "seed", "from 0 to 4294967295"),
        ({"seed": 2**32}, "seed", "from 0 to 4294967295"),
        ({"seed": 10**400}, "seed", "from 0 to 4294967295"),
        ({"count": 0}, "count", "from 1 to 8"),
        ({"count": 9}, "count", "from 1 to 8"),
        ({"styles": "all"}, "styles", "list"),
        ({"styles": [{}] * 9}, "styles", "at most 8"),
        ({"styles": ["one"]}, "styles", "by its id"),
        ({"styles": [{"id": "nonsense"}]}, "styles", "not among yours"),
        ({"styles": [{"id": "00000000-0000-0000-0000-000000000000"}]}, "styles", "not among yours"),
    ],
)
def test_what_cannot_be_made_gets_a_sentence_and_leaves_nothing(wish: dict[str, Any], field: str, says: str) -> None:
    artist = make_artist()
    with pytest.raises(Refusal, match=says) as refused:
        ask(artist, **wish)
    assert refused.value.field == field
    assert refused.value.status == 422
    assert not Request.objects.exists()
    assert account_of(artist).held == 0


def test_an_unknown_tool_gets_a_sentence() -> None:
    from generation.actions import create_request

    with pytest.raises(Refusal, match=r"There is: .*text_to_image"):
        create_request(owner=make_artist(), tool="teleport", data={"prompt": "x"})


def test_without_enough_credits_nothing_is_asked_for_and_the_sentence_names_the_whole_price(settings: Any) -> None:
    settings.BILLING = True
    artist = make_artist(credits=3)
    with pytest.raises(InsufficientCredits, match="costs 4 credits and you have 3"):
        ask(artist, count=4)
    assert not Request.objects.exists()
    assert not Output.objects.exists()
    assert not Job.objects.exists()
    purse = account_of(artist)
    assert (purse.available, purse.held) == (3, 0)


def test_at_home_credits_never_block() -> None:
    request = ask(make_artist(credits=0), count=8)
    assert request.outputs.count() == 8


def test_a_plan_bounds_the_steps(settings: Any) -> None:
    settings.BILLING = True  # without an entitlement the plan is Free: 20 steps
    with pytest.raises(Refusal, match="Your plan, Free, goes up to 20 steps"):
        ask(steps=21)
    assert ask(steps=20).params["steps"] == 20


# --- styles ---


def trained(owner: User, name: str = "Hedgerow") -> Any:
    style = make_style(owner, name=name)
    make_version(style)
    return style


def test_the_trigger_word_is_inserted_once() -> None:
    artist = make_artist()
    style = trained(artist)
    word = style.trigger_word
    mix = [{"id": str(style.public_id)}]
    assert ask(artist, styles=mix).full_prompt == f"a fox in the snow, {word}"
    assert ask(artist, styles=mix, prompt=f"a {word.upper()} fox").full_prompt == f"a {word.upper()} fox"
    assert ask(artist, styles=mix, prompt=f"a {word}ish fox").full_prompt == f"a {word}ish fox, {word}"


def test_trigger_words_come_last_once_each() -> None:
    assert with_triggers("a fox", ["kavlo", "zimur", "kavlo"]) == "a fox, kavlo, zimur"
    assert with_triggers("", ["kavlo"]) == "kavlo"


def test_a_prompt_too_long_for_its_trigger_words_is_refused() -> None:
    artist = make_artist()
    style = trained(artist)
    with pytest.raises(Refusal, match="Together with the styles' trigger words"):
        ask(artist, prompt="x" * 1000, styles=[{"id": style.public_id}])


def test_several_styles_are_mixed_with_their_weights_and_one_of_no_weight_is_left_out() -> None:
    artist = make_artist()
    one, two, none = trained(artist, "One"), trained(artist, "Two"), trained(artist, "None")
    mix = [
        {"id": one.public_id, "weight": 0.8},
        {"id": two.public_id, "weight": 1.5},
        {"id": none.public_id, "weight": 0},
    ]
    request = ask(artist, styles=mix)
    assert [(link.style, link.weight) for link in request.styles.all()] == [(one, 0.8), (two, 1.5)]
    assert none.trigger_word not in request.full_prompt


@pytest.mark.parametrize("weight", [-0.1, 1.51, "heavy", float("nan")])
def test_a_weight_out_of_bounds_is_refused(weight: Any) -> None:
    artist = make_artist()
    with pytest.raises(Refusal, match=r"from 0 to 1\.5"):
        ask(artist, styles=[{"id": trained(artist).public_id, "weight": weight}])


def test_a_version_may_be_chosen_and_stays_what_was_chosen() -> None:
    artist = make_artist()
    style = trained(artist)
    first = style.active_adapter
    second = make_version(style)
    request = ask(artist, styles=[{"id": style.public_id, "version": first.number}])
    assert request.styles.get().adapter == first
    assert ask(artist, styles=[{"id": style.public_id}]).styles.get().adapter == second
    with pytest.raises(Refusal, match="has no version 3"):
        ask(artist, styles=[{"id": style.public_id, "version": 3}])


def test_only_ones_own_trained_styles_of_this_base_can_be_used() -> None:
    artist = make_artist()
    cases = [
        (trained(make_user(), "Theirs"), "not among yours"),
        (make_style(artist, name="Untrained"), "no trained version yet"),
    ]
    deleted = trained(artist, "Deleted")
    delete_style(style=deleted)
    cases.append((deleted, "not among yours"))
    other = make_style(artist, name="Other")
    make_version(other, base="sdxl")
    cases.append((other, "another base"))
    for style, says in cases:
        with pytest.raises(Refusal, match=says):
            ask(artist, styles=[{"id": style.public_id}])


def test_a_style_named_twice_is_refused() -> None:
    artist = make_artist()
    style = trained(artist)
    with pytest.raises(Refusal, match="named twice"):
        ask(artist, styles=[{"id": style.public_id}, {"id": style.public_id}])


def test_a_person_whose_consent_ended_is_not_drawn() -> None:
    artist = make_artist()
    style = make_style(artist, kind="person", name="Ada")
    make_version(style)
    with pytest.raises(Refusal, match="consent has ended"):
        ask(artist, styles=[{"id": style.public_id}])


def test_what_was_asked_for_once_is_not_tried_again_in_a_style_that_is_gone_or_has_no_consent_any_more() -> None:
    artist = make_artist()
    style = trained(artist)
    request = ask(artist, styles=[{"id": style.public_id}])
    actions.cancel_request(request=request)
    Style.objects.filter(pk=style.pk).update(kind=Style.Kind.PERSON)
    with pytest.raises(Refusal, match="consent has ended"):
        actions.retry_request(request=request)
    Style.objects.filter(pk=style.pk).update(kind=Style.Kind.ART)
    delete_style(style=style)
    with pytest.raises(Refusal, match="deleted"):
        actions.retry_request(request=request)
    assert not Job.objects.filter(state=Job.State.QUEUED).exists()


def test_pictures_of_one_mix_share_an_affinity_and_another_weight_makes_another() -> None:
    artist = make_artist()
    style = trained(artist)
    same = {output.job.affinity for output in ask(artist, count=3, styles=[{"id": style.public_id}]).outputs.all()}
    other = ask(artist, styles=[{"id": style.public_id, "weight": 0.5}]).outputs.get().job.affinity
    assert len(same) == 1
    assert other not in same
