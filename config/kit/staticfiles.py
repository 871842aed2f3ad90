"""Static files: hashed names, compressed copies, and one stylesheet instead of fifty.

In the source every block has its own CSS file and `css/app.css` imports them, which is good to read and slow to load:
each import costs the browser a request before it may paint. `collectstatic` therefore writes `app.css` flattened.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

FLATTENED = "css/app.css"
_IMPORT = re.compile(r"""@import\s+(?:url\()?["']([^"']+)["']\)?\s*;""")
_URL = re.compile(r"""url\(["']?(?!data:|/|#|https?:)([^"')]+)["']?\)""")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def flatten(name: str, read: Callable[[str], str]) -> str:
    """The stylesheet `name` with every relative `@import` replaced by the file it names, in the same order.

    `read` answers the text of a stylesheet by its name below the static root. Relative `url()`s are rewritten so that
    they still point at the same file from where `name` lies.
    """
    home = posixpath.dirname(name)

    def text_of(part: str) -> str:
        folder = posixpath.dirname(part)
        css = _COMMENT.sub("", read(part))
        css = _URL.sub(lambda found: f'url("{posixpath.relpath(posixpath.join(folder, found[1]), home)}")', css)
        return _IMPORT.sub(lambda found: text_of(posixpath.normpath(posixpath.join(folder, found[1]))), css)

    return "\n".join(line.rstrip() for line in text_of(name).splitlines() if line.strip()) + "\n"


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """WhiteNoise's hashed and compressed files, after flattening the stylesheet; our modules import hashed modules."""

    support_js_module_import_aggregation = True
    # only ours: in the bundles of others the pattern finds imports of files that were never there
    _js_module_import_aggregation_patterns = (
        "js/*.js",
        CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1],
    )

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        if FLATTENED in paths and not dry_run:

            def read(name: str) -> str:
                storage, path = paths[name]
                with storage.open(path) as file:
                    return str(file.read().decode())

            css = flatten(FLATTENED, read)
            self.delete(FLATTENED)
            self.save(FLATTENED, ContentFile(css.encode()))
            paths = {**paths, FLATTENED: (self, FLATTENED)}
        yield from super().post_process(paths, dry_run, **options)
