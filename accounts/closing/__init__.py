"""The end of an account: asked for, due after a grace period in which it can be taken back, then done for good.

A room registers in its `AppConfig.ready()` what it stops at the ask, and what it erases at the end.
"""

from accounts.closing.asking import GRACE, ask, closing_of, refuse_while_closing, take_back
from accounts.closing.finishing import work
from accounts.closing.rooms import register, what_goes

__all__ = ["GRACE", "ask", "closing_of", "refuse_while_closing", "register", "take_back", "what_goes", "work"]
