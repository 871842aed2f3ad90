"""Refusals in the shape that Stripe gives them."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """Answered as `{"error": {...}}` with this status."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        given = {"code": code, "message": message, "param": param, "type": kind, **more}
        self.body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}


def missing(what: str, object_id: str, *, param: str = "id", status: int = 400) -> ApiError:
    """A reference to something that does not exist: 404 for the thing asked for, 400 for a parameter."""
    return ApiError(f"No such {what}: '{object_id}'", status=status, code="resource_missing", param=param)


def required(param: str) -> ApiError:
    return ApiError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def invalid(param: str, message: str) -> ApiError:
    return ApiError(message, code="parameter_invalid", param=param)
