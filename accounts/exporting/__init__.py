"""Everything of a person in one archive: asked for on a page, made in the background, kept for some days.

A room registers in its `AppConfig.ready()` what it keeps of a person; it writes its own folder of the archive.
"""

from accounts.exporting.archive import Archive
from accounts.exporting.asking import EXPORT_LASTS, ask, expire, latest
from accounts.exporting.making import work
from accounts.exporting.rooms import register

__all__ = ["EXPORT_LASTS", "Archive", "ask", "expire", "latest", "register", "work"]
