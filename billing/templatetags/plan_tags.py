"""What a template of any room asks of a plan by itself."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context

from accounts.models import User
from billing import allowance

register = template.Library()


@register.inclusion_tag("billing/_standing.html", takes_context=True)
def plan_standing(context: Context) -> dict[str, Any]:
    """What the plan does not hold any more, with the way to one that does; nothing where it holds everything."""
    request = context.get("request")
    user = getattr(request, "user", None)
    return {"request": request, "refusal": allowance.standing(user) if isinstance(user, User) else None}
