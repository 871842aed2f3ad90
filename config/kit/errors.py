"""A refusal: bad input or a rule, told in a sentence the person can act on. Never a 500."""

from __future__ import annotations


class Refusal(Exception):
    """Raised by actions, answered by `RefusalMiddleware` on pages and by the API's problem handler.

    `say` is the whole sentence for the person, `code` is stable for programs, `field` names the input at fault.
    """

    status = 422

    def __init__(self, say: str, *, code: str, field: str | None = None, status: int | None = None) -> None:
        super().__init__(say)
        self.say = say
        self.code = code
        self.field = field
        if status is not None:
            self.status = status


class Conflict(Refusal):
    """The thing is in a state in which this cannot be done (any more)."""

    status = 409


class TooMany(Refusal):
    """A limit was met; `retry_after` is in seconds."""

    status = 429

    def __init__(self, say: str, *, code: str = "too_many", retry_after: int) -> None:
        super().__init__(say, code=code)
        self.retry_after = retry_after
