"""Films from one picture by Stable Video Diffusion (Blattmann et al. 2023, arXiv:2311.15127), within 8 GB.

The model makes some frames a second; a longer film is chained from the last frame, and the frames between are computed
from the motion of the two beside them. The artifact says which of both was done.
"""

from gpu.engine.pipelines.image_to_video.run import run

__all__ = ["run"]
