"""The studio: running jobs first, then styles, then the latest pictures."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import User
from billing.allowance import styles_in_use
from gallery.fragments import tile
from gallery.models import Artwork
from gpu.fragments import job_list
from styles.fragments import style_cards
from styles.models import Style
from styles.queries import counted

LATEST = 18  # three rows of a wall on a wide screen


@require_safe
@login_required
def studio(request: HttpRequest) -> HttpResponse:
    user = request.user
    assert isinstance(user, User)
    styles = Style.objects.owned_by(user).for_cards().order_by("-updated_at")
    pictures = Artwork.objects.owned_by(user).with_styles().order_by("-created_at", "-public_id")[:LATEST]
    return render(
        request,
        "pages/studio.html",
        {
            "jobs": job_list(user),
            "styles": style_cards(user, styles),
            "styles_limit": styles_in_use(user),
            "styles_counted": counted(user).count(),
            "pictures": [tile(artwork) for artwork in pictures],
        },
    )
