import datetime

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from billing import allowance
from config.kit import media
from config.kit.errors import Conflict, Refusal, TooMany
from styles import actions, erasing, queries, rules
from styles.models import Adapter, Reference, Style
from tests.builders import make_reference, make_style, make_user
from tests.styles.intake import accepted, take
from tests.styles.pictures import encoded, jpeg, painting

pytestmark = pytest.mark.django_db
TOMORROW = timezone.now().date() + datetime.timedelta(days=1)


def version(style, **fields):
    return actions.new_adapter(style=style, base="starter", method="lora", rank=16, steps=100, **fields)


def finish(adapter, **fields):
    facts = {"key": "styles/x.safetensors", "sha256": "0" * 64, "bytes": 1, "loss": 0.1, "steps": 100}
    return actions.finish_adapter(adapter=adapter, **facts | fields)


def status(style):
    style.refresh_from_db()
    return style.status


# --- making, deleting, restoring ---------------------------------------------------------------------------------


def test_a_style_has_a_word_of_its_own():
    words = {make_style().trigger_word for _ in range(20)}
    assert len(words) == 20
    assert all(6 <= len(word) <= 8 and word.isalpha() and word.islower() for word in words)


def test_a_taken_trigger_word_is_not_given_twice(monkeypatch):
    first = make_style()
    words = iter([first.trigger_word, "bakvemut"])
    monkeypatch.setattr("styles.actions.triggers.new_trigger_word", lambda: next(words))
    assert make_style(first.owner).trigger_word == "bakvemut"


def test_a_deleted_style_is_hidden_and_comes_back_whole():
    style = make_style(works=3)
    actions.delete_style(style=style)
    assert not Style.objects.owned_by(style.owner).exists()
    assert queries.restorable(style.owner) == [style]
    actions.restore_style(style=style)
    back = Style.objects.owned_by(style.owner).get()
    assert back.references.count() == 3
    assert all(media.exists(reference.key) for reference in back.references.all())
    verbs = AuditEntry.objects.filter(target=style.public_id).order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["style.create", "style.declare", "style.delete", "style.restore"]


def test_a_style_that_is_learning_cannot_be_deleted():
    style = make_style(works=1)
    version(style)
    with pytest.raises(Conflict, match="Stop or cancel the training first"):
        actions.delete_style(style=style)


def test_a_deleted_style_is_erased_after_thirty_days():
    style = make_style(works=2)
    keys = [key for reference in style.references.all() for key in (reference.key, reference.thumb_key)]
    weights = media.save(f"styles/{style.public_id}/adapters/1.safetensors", b"weights")
    finish(version(style), key=weights)
    actions.delete_style(style=style)
    told = []
    erasing.on_erase(told.append)
    now = timezone.now()
    assert erasing.erase_due(now=now + datetime.timedelta(days=29)) == 0
    assert erasing.erase_due(now=now + datetime.timedelta(days=31)) == 1
    erasing._erasers.remove(told.append)
    assert told == [style]
    assert not any(media.exists(key) for key in [*keys, weights])
    assert not Reference.objects.with_deleted().filter(style=style).exists()
    assert style.adapters.get().state == Adapter.State.DELETED
    with pytest.raises(Conflict, match="files are gone"):
        actions.restore_style(style=style)


# --- works -------------------------------------------------------------------------------------------------------


def test_a_removed_work_comes_back_to_its_number():
    style = make_style(works=3)
    second = style.references.get(position=2)
    actions.delete_reference(reference=second)
    assert list(style.references.values_list("position", flat=True)) == [1, 3]
    actions.restore_reference(reference=second)
    assert style.references.get(position=2) == second


def test_a_removed_works_number_is_given_to_the_next_one():
    style = make_style(works=3)
    second = style.references.get(position=2)
    actions.delete_reference(reference=second)
    assert accepted(take(style, jpeg(9))).position == 2
    assert actions.restore_reference(reference=second).position == 4


def test_a_removed_work_does_not_come_back_beside_its_copy():
    style = make_style()
    first = accepted(take(style, jpeg(1)))
    actions.delete_reference(reference=first)
    accepted(take(style, jpeg(1)))
    with pytest.raises(Conflict, match="already here as #1"):
        actions.restore_reference(reference=first)


def test_a_removed_work_is_erased_after_a_day():
    style = make_style(works=1)
    work = style.references.get()
    actions.delete_reference(reference=work)
    assert erasing.erase_due() == 0
    assert erasing.erase_due(now=timezone.now() + datetime.timedelta(hours=25)) == 1
    assert not media.exists(work.key)
    assert not media.exists(work.thumb_key)


def test_what_was_almost_the_same_is_so_no_more_when_the_other_goes():
    style = make_style()
    first = accepted(take(style, jpeg(1)))
    copy = accepted(take(style, encoded(painting(1), "PNG"), "copy.png"))
    assert copy.remarks[0]["of"] == 1
    actions.delete_reference(reference=first)
    copy.refresh_from_db()
    assert (copy.remarks, copy.verdict) == ([], "accepted")


def test_a_name_that_several_files_share_is_no_caption():
    style = make_style()
    for number in (1, 2, 3):
        accepted(take(style, jpeg(number), f"ferry-{number:03}.jpg"))
    own = accepted(take(style, jpeg(4), "lighthouse.jpg"))
    assert set(style.references.exclude(pk=own.pk).values_list("caption", flat=True)) == {""}
    assert own.caption == "lighthouse"


def test_a_caption_that_was_written_stays_when_a_file_of_that_name_comes():
    style = make_style()
    first = accepted(take(style, jpeg(1), "ferry-1.jpg"))
    actions.set_caption(reference=first, caption="a ferry at night")
    accepted(take(style, jpeg(2), "ferry-2.jpg"))
    first.refresh_from_db()
    assert first.caption == "a ferry at night"


def test_no_file_stays_behind_when_the_database_refuses(monkeypatch):
    style = make_style()
    monkeypatch.setattr("styles.actions.references._extend_declaration", lambda *_: 1 / 0)
    saved = []
    save = media.save
    monkeypatch.setattr(media, "save", lambda key, content: saved.append(save(key, content)))
    with pytest.raises(ZeroDivisionError):
        take(style, jpeg(1))
    assert len(saved) == 2
    assert not any(media.exists(key) for key in saved)
    assert not style.references.exists()


# --- what a training asks for --------------------------------------------------------------------------------------


def test_training_asks_for_enough_works_then_for_the_declaration():
    style = make_style(works=19, declared=False)
    with pytest.raises(Refusal, match=r"19 of 20 works are here. Add 1 more"):
        rules.ready_to_train(style)
    make_reference(style, position=20)
    with pytest.raises(Refusal, match="made these works or may use them"):
        rules.ready_to_train(style)
    actions.declare(style=style, user=style.owner, choice="may_use")
    rules.ready_to_train(style)
    assert status(style) == "ready"


def test_a_declaration_names_its_files_and_those_that_come_later():
    style = make_style(works=2)
    actions.declare(style=style, user=style.owner, choice="made")
    later = accepted(take(style, jpeg(5)))
    declaration = queries.current_declaration(style)
    assert declaration.text_version == "2026-11"
    assert set(declaration.file_hashes) == set(style.references.values_list("sha256", flat=True))
    assert later.sha256 in declaration.file_hashes


def test_a_persons_likeness_needs_a_consent_that_holds():
    style = make_style(works=10, kind="person")
    with pytest.raises(Refusal, match="only with that person's consent"):
        rules.ready_to_train(style, purpose="person")
    given = {"style": style, "user": style.owner, "subject_name": "Ada", "is_adult": True, "agreed": True}
    consent = actions.record_consent(**given, expires_on=TOMORROW)
    rules.ready_to_train(style)
    assert status(style) == "ready"
    actions.revoke_consent(consent=consent, actor=style.owner)
    assert status(style) == "draft"
    consent = actions.record_consent(**given, expires_on=TOMORROW)
    consent.expires_at = timezone.now()
    consent.save()
    with pytest.raises(Refusal, match="consent"):
        rules.ready_to_train(style)


def test_what_was_learned_of_a_person_goes_with_their_consent():
    style = make_style(works=10, kind="person")
    given = {"style": style, "user": style.owner, "subject_name": "Ada", "is_adult": True, "agreed": True}
    for end in ("revoked", "expired"):
        consent = actions.record_consent(**given, expires_on=TOMORROW)
        weights = media.save(f"styles/{style.public_id}/adapters/{end}.safetensors", b"weights")
        adapter = finish(version(style), key=weights)
        assert status(style) == "trained"
        if end == "revoked":
            actions.revoke_consent(consent=consent, actor=style.owner)
        else:
            assert erasing.erase_due(now=timezone.now() + datetime.timedelta(days=1)) == 0
            assert erasing.erase_due(now=timezone.now() + datetime.timedelta(days=3)) == 1
        adapter.refresh_from_db()
        assert (adapter.state, adapter.key) == ("deleted", "")
        assert not media.exists(weights)
        style.refresh_from_db()
        assert style.active_adapter is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"is_adult": False}, "is_adult"),
        ({"agreed": False}, "agreed"),
        ({"subject_name": " "}, "subject_name"),
        ({"expires_on": datetime.date(2020, 1, 1)}, "expires_on"),
        ({"expires_on": timezone.now().date() + datetime.timedelta(days=800)}, "expires_on"),
    ],
)
def test_a_consent_says_all_it_must(fields, field):
    style = make_style(kind="person")
    given = {"subject_name": "Ada", "is_adult": True, "agreed": True, "expires_on": TOMORROW} | fields
    with pytest.raises(Refusal) as refused:
        actions.record_consent(style=style, user=style.owner, **given)
    assert refused.value.field == field


def test_a_likeness_is_not_taught_under_another_kind():
    style = make_style(works=20)
    with pytest.raises(Refusal, match="kind Person"):
        rules.ready_to_train(style, purpose="person")


# --- versions and status ---------------------------------------------------------------------------------------------


def test_the_status_follows_the_facts():
    style = make_style(works=20, declared=False)
    assert status(style) == "draft"
    actions.declare(style=style, user=style.owner, choice="made")
    assert status(style) == "ready"
    first = version(style)
    assert status(style) == "training"
    actions.fail_adapter(adapter=first)
    assert status(style) == "failed"
    second = version(style)
    actions.fail_adapter(adapter=second, cancelled=True)
    assert status(style) == "failed"
    third = version(style)
    finish(third)
    assert status(style) == "trained"
    assert style.active_adapter == third
    fourth = version(style)
    assert status(style) == "trained"
    actions.fail_adapter(adapter=fourth)
    assert status(style) == "trained"


def test_a_cancelled_first_training_leaves_no_failed_style():
    style = make_style(works=20)
    actions.fail_adapter(adapter=version(style), cancelled=True)
    assert status(style) == "ready"


def test_an_earlier_version_can_be_used_again():
    style = make_style(works=20)
    first, second = finish(version(style)), finish(version(style))
    assert status(style) == "trained"
    assert style.active_adapter == second
    actions.activate_adapter(style=style, adapter=first)
    style.refresh_from_db()
    assert style.active_adapter == first
    with pytest.raises(Conflict, match="no finished weights"):
        actions.activate_adapter(style=style, adapter=version(style))


def test_the_kind_is_fixed_once_something_was_learned():
    style = make_style()
    actions.change_kind(style=style, kind="character")
    assert style.allow_flip is False
    version(style)
    with pytest.raises(Conflict, match="Make a new style"):
        actions.change_kind(style=style, kind="art")


def test_a_sample_that_was_deleted_does_not_come_back_beside_the_next_one():
    """No plan counts the sample: whoever had many would have as many styles as they like."""
    owner = make_user()
    first = make_style(owner, name="Mine by now")
    Style.objects.filter(pk=first.pk).update(is_sample=True)
    actions.delete_style(style=first)
    second = make_style(owner, name="The sample again")
    Style.objects.filter(pk=second.pk).update(is_sample=True)
    with pytest.raises(Conflict, match="one sample"):
        actions.restore_style(style=first)
    actions.delete_style(style=second)
    assert actions.restore_style(style=first).deleted_at is None


def test_samples_are_opened_no_faster_than_other_files(settings):
    settings.BILLING = True
    owner = make_user()
    allowance.rate(owner, "upload", times=110)
    with pytest.raises(TooMany):
        actions.create_sample_style(owner=owner)


def test_a_sample_style_is_complete_and_its_licence_lies_beside_it():
    style = actions.create_sample_style(owner=make_user())
    rules.ready_to_train(style)
    folder = actions.samples.SAMPLE_SET
    assert sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) <= 4 * 1024 * 1024
    licence = (folder / "LICENSE.md").read_text()
    assert "OpenMoji" in licence
    assert "CC BY-SA 4.0" in licence
    assert all(reference.caption_source == "sidecar" for reference in style.references.all())
    assert all(reference.verdict == "accepted" for reference in style.references.all())
