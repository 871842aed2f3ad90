"""The page of figures and its CSV. Both stand behind the staff's door (config/urls.py)."""

from __future__ import annotations

import csv
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.pages.figures import money, people, work
from config.pages.figures.period import CHOICES, Period

USUAL = 30


@require_safe
@permission_required("billing.view_entitlement", raise_exception=True)
def figures(request: HttpRequest) -> HttpResponse:
    """`?days=` 7, 30 or 90; anything else is the usual month."""
    wanted = request.GET.get("days", "")
    days = int(wanted) if wanted in {str(choice) for choice in CHOICES} else USUAL
    found = gather(Period.of(days))
    if request.GET.get("format") == "csv":
        return _as_csv(found, days)
    chart = {
        "days": [{"people": count} for _day, count in found["sign_ups"]],
        "looks": {"people": ""},
        "labels": [f"{day:%-d %b}" for day, _count in found["sign_ups"]],
    }
    return render(request, "pages/figures.html", {**found, "days": days, "choices": CHOICES, "chart": chart})


def gather(period: Period) -> dict[str, Any]:
    """Every figure of the period."""
    return {
        "period": period,
        "sign_ups": people.sign_ups(period),
        "retention": [people.retention(period, day) for day in people.RETENTION],
        "conversion": people.conversion(period),
        "recurring": money.recurring(period),
        "credits": money.credits(period),
        "jobs": work.jobs(period),
        "gpu": work.gpu_hours(period),
    }


def _as_csv(found: dict[str, Any], days: int) -> HttpResponse:
    period = found["period"]
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="figures-{period.last}-{days}-days.csv"'
    writer = csv.writer(response)
    writer.writerow(["section", "what", "figure"])
    writer.writerows([section, _cell(what), figure] for section, what, figure in _rows(found))
    return response


def _cell(text: str) -> str:
    """An address may begin like a formula, and a spreadsheet would run it."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def _rows(found: dict[str, Any]) -> list[tuple[str, str, Any]]:
    recurring, credits = found["recurring"], found["credits"]
    rows: list[tuple[str, str, Any]] = [("sign-ups", str(day), count) for day, count in found["sign_ups"]]
    for one in found["retention"]:
        rows += [
            ("retention", f"day {one.day}: people", one.people),
            ("retention", f"day {one.day}: came back", one.back),
        ]
    rows += [("conversion", name, count) for name, count, _share in found["conversion"].steps()]
    rows += [("recurring", f"{name}: subscriptions", count) for name, count, _cents in recurring.plans]
    rows += [
        ("recurring", "dollars a month", f"{recurring.cents / 100:.2f}"),
        ("recurring", "trials", recurring.trials),
        ("recurring", "will end", recurring.ending),
        ("recurring", "ended", recurring.churned),
        ("recurring", "ended: dollars a month", f"{recurring.churned_cents / 100:.2f}"),
    ]
    names = ("sold", "given", "adjusted", "taken_back", "expired", "spent", "spenders", "median")
    rows += [("credits", name, getattr(credits, name)) for name in names]
    rows += [("credits: most spent", email, spent) for email, spent in credits.top]
    for kind in found["jobs"]:
        rows += [(f"jobs: {kind.kind}", name, getattr(kind, name)) for name in ("succeeded", "failed", "cancelled")]
        rows += [(f"jobs: {kind.kind}", f"failed: {code}", count) for code, count in kind.failures]
    rows += [("gpu hours", one.worker, f"{one.hours:.3f}") for one in found["gpu"]]
    return rows
