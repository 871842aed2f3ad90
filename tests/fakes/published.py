"""What Stripe publishes of its objects: the typed classes of its library, read as text and compared with an object."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import stripe

_PLAIN = {"str": str, "int": int, "bool": bool}


def deviations(thing: dict[str, Any]) -> list[str]:
    """Where an object of the double is not what the library's class of its kind says; empty where it is."""
    resource = _resource(_CLASS_NAMES.get(thing["object"], _camel(thing["object"])))
    found: list[str] = []
    _compare(thing, resource, (resource,), thing["object"], found)
    return found


_CLASS_NAMES = {
    "checkout.session": "checkout.Session",
    "billing_portal.session": "billing_portal.Session",
    "billing_portal.configuration": "billing_portal.Configuration",
    "test_helpers.test_clock": "test_helpers.TestClock",
    "line_item": "InvoiceLineItem",
    "item": "LineItem",
}


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


@cache
def _resource(name: str) -> ast.ClassDef:
    owner: Any = stripe
    *modules, last = name.split(".")
    for module in modules:
        owner = getattr(owner, module)
    return _parsed(inspect.getsourcefile(getattr(owner, last)) or "", last)


@cache
def _parsed(path: str, name: str) -> ast.ClassDef:
    with open(path) as file:
        tree = ast.parse(file.read())
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


Scopes = tuple[ast.ClassDef, ...]


def _fields(published: ast.ClassDef) -> dict[str, ast.expr]:
    found = {}
    for node in published.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id != "OBJECT_NAME":
            found[_renamed(published, node.target.id)] = node.annotation
    return found


def _renamed(published: ast.ClassDef, name: str) -> str:
    """A field whose name Python keeps for itself is called otherwise in the library."""
    for node in published.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_field_remappings":
            names = {value: key for key, value in ast.literal_eval(node.value).items()}
            return str(names.get(name, name))
    return name


def _compare(value: Any, published: ast.ClassDef, scopes: Scopes, path: str, found: list[str]) -> None:
    if not isinstance(value, dict):
        found.append(f"{path}: {value!r} is no {published.name}")
        return
    fields = _fields(published)
    found += [f"{path}.{name}: not published" for name in value if name not in fields]
    for name, annotation in fields.items():
        if name in value:
            _check(value[name], annotation, scopes, f"{path}.{name}", found)
        elif not _optional(annotation) and name != "deleted":
            found.append(f"{path}.{name}: missing")


def _optional(annotation: ast.expr) -> bool:
    return isinstance(annotation, ast.Subscript) and getattr(annotation.value, "id", "") in ("Optional", "NotRequired")


def _check(value: Any, annotation: ast.expr, scopes: Scopes, path: str, found: list[str]) -> None:
    if isinstance(annotation, ast.Subscript):
        _check_subscript(value, annotation, scopes, path, found)
    elif isinstance(annotation, ast.Constant):  # a name in quotes
        _check(value, ast.parse(str(annotation.value), mode="eval").body, scopes, path, found)
    elif isinstance(annotation, ast.Name):
        _check_named(value, annotation.id, scopes, path, found)
    else:
        raise NotImplementedError(ast.dump(annotation))


def _check_subscript(value: Any, annotation: ast.Subscript, scopes: Scopes, path: str, found: list[str]) -> None:
    outer = getattr(annotation.value, "id", "")
    inner = annotation.slice
    if outer in ("Optional", "NotRequired"):
        if value is not None:
            _check(value, inner, scopes, path, found)
    elif outer == "ExpandableField":
        if not isinstance(value, str):
            _check(value, inner, scopes, path, found)
    elif outer == "List":
        if not isinstance(value, list):
            found.append(f"{path}: {value!r} is no list")
            return
        for index, entry in enumerate(value):
            _check(entry, inner, scopes, f"{path}[{index}]", found)
    elif outer == "ListObject":
        if not isinstance(value, dict) or set(value) != {"object", "data", "has_more", "url"}:
            found.append(f"{path}: {value!r} is no list object")
            return
        for index, entry in enumerate(value["data"]):
            _check(entry, inner, scopes, f"{path}.data[{index}]", found)
    elif outer == "Literal":
        allowed = [ast.literal_eval(entry) for entry in (inner.elts if isinstance(inner, ast.Tuple) else [inner])]
        if value not in allowed:
            found.append(f"{path}: {value!r} is none of {allowed}")
    elif outer == "Union":
        _check_union(value, inner, scopes, path, found)
    elif outer == "UntypedStripeObject":
        if not isinstance(value, dict):
            found.append(f"{path}: {value!r} is no object")
    else:
        raise NotImplementedError(outer)


def _check_union(value: Any, inner: ast.expr, scopes: Scopes, path: str, found: list[str]) -> None:
    """A union with `str` stands for words that may grow; the double uses the known ones alone."""
    choices = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    words = [c for c in choices if isinstance(c, ast.Subscript) and getattr(c.value, "id", "") == "Literal"]
    attempts = []
    for choice in words or choices:
        attempt: list[str] = []
        _check(value, choice, scopes, path, attempt)
        if not attempt:
            return
        attempts.append(attempt)
    found += attempts[0]


def _check_named(value: Any, name: str, scopes: Scopes, path: str, found: list[str]) -> None:
    if name == "Any":
        return
    if name in ("float", "Decimal"):
        right = isinstance(value, int | float | str) and (name == "float" or isinstance(value, str))
        if not right:
            found.append(f"{path}: {value!r} is no {name}")
    elif name in _PLAIN:
        if not isinstance(value, _PLAIN[name]) or (name == "int" and isinstance(value, bool)):
            found.append(f"{path}: {value!r} is no {name}")
    else:
        for scope in reversed(scopes):
            for node in scope.body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    _compare(value, node, (*scopes, node), path, found)
                    return
        resource = _resource({"Session": "checkout.Session", "DisputeResource": "Dispute"}.get(name, name))
        _compare(value, resource, (resource,), path, found)


def parameters(method: str, path: str) -> set[str] | None:
    """The published parameters of an address such as `/v1/invoices/{}/pay`; None where the library lists none."""
    *spaces, noun = [part for part in path.split("/")[2:4] if part != "{}"][: 2 if path.startswith(_SPACES) else 1]
    rest = path.partition(noun)[2].strip("/").split("/")
    action = rest[-1] if rest[-1] not in ("", "{}") else ""
    if action:
        verbs = [action, f"{action}_{noun[:-1]}"] if method == "POST" else [f"list_{action}"]
    else:
        whole = {"POST": ["create"], "GET": ["list"]}
        single = {"POST": ["update", "modify"], "GET": ["retrieve"], "DELETE": ["delete", "cancel"]}
        verbs = (single if rest[-1] == "{}" else whole)[method]
    for verb in verbs:
        folder = Path(inspect.getsourcefile(stripe) or "").parent.joinpath("params", *spaces)
        file = folder / f"_{noun[:-1]}_{verb}_params.py"
        if file.exists():
            return _typed_names(file)
    return None


_SPACES = ("/v1/checkout", "/v1/billing_portal", "/v1/test_helpers")


def _typed_names(file: Path) -> set[str]:
    """The keys of the typed dictionary that a file is named after; one with a keyword among them is a call."""
    name = "".join(part.capitalize() for part in file.stem.split("_"))
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name in (name, f"_{name}Base"):
            found |= set(_fields(node))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == f"_{name}Base":
            assert isinstance(node.value, ast.Call)
            keys = node.value.args[1]
            assert isinstance(keys, ast.Dict)
            found |= {str(key.value) for key in keys.keys if isinstance(key, ast.Constant)}
    return found
