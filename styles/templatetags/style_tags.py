"""What a template of this room asks for by itself."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context

from config.kit import media
from styles import queries, rules
from styles.fragments import status_badge
from styles.models import Adapter, Style

register = template.Library()


@register.simple_tag
def style_facts(style: Style) -> dict[str, Any]:
    """What the head of a style's pages shows besides its name."""
    cover = queries.cover(style)
    read_only = queries.is_read_only(style)
    return {
        "cover": media.signed_url(cover[0].thumb_key) if cover else "",
        "works": queries.works_count(style),
        "versions": style.adapters.filter(state=Adapter.State.READY).count(),
        "badge": status_badge(style, read_only=read_only),
        "read_only": read_only,
    }


@register.inclusion_tag("styles/_read_only.html", takes_context=True)
def read_only_notice(context: Context, style: Style) -> dict[str, Any]:
    """Why a style beyond the plan cannot be worked with, and the two ways to change that."""
    refusal = rules.read_only(style)
    return {
        "request": context.get("request"),
        "csrf_token": context.get("csrf_token"),
        "style": style,
        "refusal": refusal,
        "instead_of": queries.next_to_rest(style.owner),
    }


@register.simple_tag
def file_url(key: str) -> str:
    """An address of a person's file that works for some minutes."""
    return media.signed_url(key)
