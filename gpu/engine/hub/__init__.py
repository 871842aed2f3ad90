"""Models on this disk: where they lie, whether they are whole, and how they come from the model hub.

A model is looked for in the folder that `models use` named, then in `MODELS_DIR/<name>`, then in the hub client's own
cache. `pull` puts it into the second. Only safetensors, JSON and text are ever fetched or read: never a pickle.
"""

from gpu.engine.hub.checking import Finding, check
from gpu.engine.hub.places import base_folders, folder_of, present, stands_in, where
from gpu.engine.hub.pulling import Progress, pull

__all__ = ["Finding", "Progress", "base_folders", "check", "folder_of", "present", "pull", "stands_in", "where"]
