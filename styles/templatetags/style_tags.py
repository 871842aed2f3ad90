"""What a template of this room asks for by itself."""

from __future__ import annotations

from typing import Any

from django import template

from config.kit import media
from styles import queries
from styles.fragments import status_badge
from styles.models import Adapter, Style

register = template.Library()


@register.simple_tag
def style_facts(style: Style) -> dict[str, Any]:
    """What the head of a style's pages shows besides its name."""
    cover = queries.cover(style)
    return {
        "cover": media.signed_url(cover[0].thumb_key) if cover else "",
        "works": queries.works_count(style),
        "versions": style.adapters.filter(state=Adapter.State.READY).count(),
        "badge": status_badge(style),
    }


@register.simple_tag
def file_url(key: str) -> str:
    """An address of a person's file that works for some minutes."""
    return media.signed_url(key)
