"""How a job fits into the memory there is: profiles, plans with their predictions, and the ladder.

Everything here but the moving of weights is arithmetic: it imports no torch until a job needs it.
"""

from gpu.engine.memory.ladder import climb, free
from gpu.engine.memory.plan import GIB, Plan
from gpu.engine.memory.plans import Kind, fits, plans
from gpu.engine.memory.profiles import Profile, enforce, profile_of

__all__ = ["GIB", "Kind", "Plan", "Profile", "climb", "enforce", "fits", "free", "plans", "profile_of"]
