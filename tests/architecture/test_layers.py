"""Which room may look into which: house rules that no review has to remember."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("accounts", "billing", "gpu", "styles", "gallery", "training", "generation")
HEAVY = {"torch", "diffusers", "peft", "transformers", "accelerate"}


def imports_of(path: Path) -> set[str]:
    """Top-level names of every module a file imports, wherever in the file it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def test_the_import_contracts_hold() -> None:
    linter = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    found = subprocess.run(linter, cwd=ROOT, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr


def test_nothing_outside_the_engine_imports_torch() -> None:
    files = [path for room in (*ROOMS, "config") for path in (ROOT / room).rglob("*.py")]
    outside = [path for path in files if ROOT / "gpu" / "engine" not in path.parents]
    guilty = [
        str(path.relative_to(ROOT)) for path in outside if {name.split(".")[0] for name in imports_of(path)} & HEAVY
    ]

    assert outside
    assert guilty == []


def test_rooms_know_only_the_light_parts_of_the_engine() -> None:
    light = {"gpu.engine", "gpu.engine.contract", "gpu.engine.catalogue", "gpu.engine.weights"}
    guilty = []
    for path in (path for room in (*ROOMS, "config") for path in (ROOT / room).rglob("*.py")):
        if ROOT / "gpu" / "engine" in path.parents:
            continue
        for name in imports_of(path):
            if name.startswith("gpu.engine.") and name not in light:
                guilty.append(f"{path.relative_to(ROOT)} imports {name}")

    assert guilty == []


def test_the_engine_knows_no_web() -> None:
    foreign = {"django", "celery", "channels", "config", *ROOMS} - {"gpu"}
    guilty = []
    for path in (ROOT / "gpu" / "engine").rglob("*.py"):
        for name in imports_of(path):
            if name.split(".")[0] in foreign or (name.startswith("gpu.") and not name.startswith("gpu.engine")):
                guilty.append(f"{path.relative_to(ROOT)} imports {name}")

    assert guilty == []


def test_foreign_keys_point_down() -> None:
    height = {"accounts": 0, "billing": 1, "gpu": 2, "styles": 3, "gallery": 4, "training": 5, "generation": 5}
    wrong = []
    for model in apps.get_models():
        room = model._meta.app_label
        if room not in height:
            continue
        for field in model._meta.get_fields():
            target = field.related_model
            if not isinstance(field, models.ForeignKey) or not isinstance(target, type):
                continue
            other = target._meta.app_label
            if other in height and other != room and height[other] >= height[room]:
                wrong.append(f"{model.__name__}.{field.name} → {target.__name__}")

    assert wrong == []


PLAN_LIMITS = {"max_styles", "max_steps", "visible_mark", "video", "tier", "queue", "rates"}


def test_only_billing_knows_what_a_plan_holds() -> None:
    """Others ask `billing.allowance` in a verb; of `billing.plans` they read names and prices, never a limit."""
    guilty = []
    for path in (path for room in (*ROOMS, "config") if room != "billing" for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in ("billing.plans", "billing.catalogue"):
                deciding = {alias.name for alias in node.names} & {"plan_of", "HOME", "FREE", "Plan"}
                guilty += [f"{path.relative_to(ROOT)} imports {name}" for name in deciding]
            if isinstance(node, ast.Attribute) and node.attr in PLAN_LIMITS and _is_of_a_plan(node.value):
                guilty.append(f"{path.relative_to(ROOT)}:{node.lineno} reads {node.attr} of a plan")

    assert guilty == []


def _is_of_a_plan(node: ast.expr) -> bool:
    """`plan.video`, `request.plan.video`, `allowance_of(user).video`, `plans.PLANS["pro"].video`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in ("plan", "mine", "allowance", "HOME", "FREE")
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in ("plan_of", "allowance_of")
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name == "PLANS"
    return False
