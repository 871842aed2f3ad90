"""LoRA files without torch: what is in them, whether they fit a base, and their two spellings.

So the web may look into a file and give it out in another spelling, and the engine checks by the same rules.
"""

from gpu.engine.failures import Failure
from gpu.engine.weights.convert import FORMATS, Format, convert
from gpu.engine.weights.examine import MAX_TRIGGER, Examined, examine
from gpu.engine.weights.header import MAX_FILE, Header, Part, read_header
from gpu.engine.weights.shapes import layers_of

__all__ = [
    "FORMATS",
    "MAX_FILE",
    "MAX_TRIGGER",
    "Examined",
    "Failure",
    "Format",
    "Header",
    "Part",
    "convert",
    "examine",
    "layers_of",
    "read_header",
]
