"""The page on which a LoRA from elsewhere becomes a style."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.models import User
from config.kit.errors import Refusal
from gpu.engine.catalogue import describe
from gpu.engine.weights import MAX_TRIGGER
from styles import actions
from styles.actions.styles import MAX_NAME
from styles.wordings import DECLARATIONS, IMPORT_DECLARATION_VERSION


@login_required
@require_http_methods(["GET", "POST"])
def import_style(request: HttpRequest) -> HttpResponse:
    mistake: Refusal | None = None
    if request.method == "POST":
        try:
            return _imported(request)
        except Refusal as refusal:
            mistake = refusal
    context = {
        "base": describe(settings.BASE_MODEL),
        "name": request.POST.get("name", ""),
        "trigger_word": request.POST.get("trigger_word", ""),
        "declared": request.POST.get("declaration", ""),
        "wordings": DECLARATIONS[IMPORT_DECLARATION_VERSION].items(),
        "mistake": mistake,
        "max_name": MAX_NAME,
        "max_trigger": MAX_TRIGGER,
    }
    return render(request, "styles/import.html", context, status=mistake.status if mistake else 200)


def _imported(request: HttpRequest) -> HttpResponse:
    file = request.FILES.get("file")
    if file is None:
        raise Refusal(_("Choose the .safetensors file of a LoRA."), code="no_file", field="file")
    style = actions.import_adapter(
        owner=cast(User, request.user),
        file=file,
        name=request.POST.get("name", ""),
        trigger_word=request.POST.get("trigger_word", ""),
        declaration=request.POST.get("declaration", ""),
    )
    messages.success(request, _("%(name)s is imported and ready.") % {"name": style.name})
    return redirect(reverse("generation:create") + f"?style={style.public_id}")
