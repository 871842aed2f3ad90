"""Training: a LoRA, a LoRA with prior preservation (DreamBooth), or a word (textual inversion).

`run` goes from a spec to its checkpoints; `loop` is the learning itself, from top to bottom. Whatever a step draws at
random comes from a generator seeded by the run's seed and the step's number. So samples taken on the way change
nothing, and a run that was interrupted goes on bit for bit as if it had not been (on a CPU; on CUDA up to the order of
float additions).
"""

from gpu.engine.train_lora.checking import check
from gpu.engine.train_lora.running import run, train

__all__ = ["check", "run", "train"]
