import pytest
from django.urls import reverse

from styles import actions
from styles.models import Style
from tests.builders import make_style, staff_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return staff_client()


@pytest.fixture
def style():
    style = make_style(works=1, kind="person")
    actions.new_adapter(style=style, base="starter", method="lora", rank=16, steps=100)
    return style


@pytest.mark.parametrize("model", ["style", "reference", "adapter", "declaration", "consent"])
def test_every_list_is_searched_and_every_row_opened(staff, style, model):
    assert staff.get(reverse(f"admin:styles_{model}_changelist") + "?q=hedgerow").status_code == 200
    rows = {"style": style, "reference": style.references.get(), "adapter": style.adapters.get()}
    row = rows.get(model)
    if row is not None:
        assert staff.get(reverse(f"admin:styles_{model}_change", args=[row.pk])).status_code == 200


def test_staff_delete_and_restore_and_are_told_what_cannot_be_done(staff, style):
    idle = make_style()
    page = reverse("admin:styles_style_changelist")
    chosen = {"action": "delete_styles", "_selected_action": [style.pk, idle.pk]}
    answer = staff.post(page, chosen, follow=True).content.decode()
    assert "Stop or cancel the training first" in answer
    assert not Style.objects.filter(pk=idle.pk).exists()
    staff.post(page, {"action": "restore_styles", "_selected_action": [idle.pk]})
    assert Style.objects.filter(pk=idle.pk).exists()
