"""Names of files and folders that systems and programs leave among a user's own: never classes, never images."""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = frozenset(
    {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "system volume information"}
    | {"__macosx", "icon\r", "network trash folder", "temporary items"}
    | {"@eadir", "eadir_tmp", "@tmp", "@recycle", "@recently-snapshot", "@__thumb", "@transcode", "@sharebin"}
    | {"#recycle", "#snapshot", "~snapshot", "lost+found"}
    | {"picasa.ini", "zbthumbnail.info", "__pycache__", "dicomdir"}
)
_AS_WRITTEN: Final = frozenset({"RECYCLER", "RECYCLED"})  # in small letters they may be classes of waste
_PATTERNS: Final = re.compile(
    r"\."  # hidden: .DS_Store, ._name (AppleDouble), .git, .ipynb_checkpoints, .Trash-1000, .dropbox, .~lock.name#
    r"|~\$|~lock|:2e"  # of a document that is open; a hidden name as Netatalk writes it
    r"|syno(photo|file|video)_|found\.\d{3}$",
    re.IGNORECASE,
)


def is_system_name(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or made by a system or program for itself.

    >>> [is_system_name(name) for name in ("Thumbs.db", "@eaDir", "._7.png", "$RECYCLE.BIN", "7.png", "recycled")]
    [True, True, True, True, False, False]
    """
    return name in _AS_WRITTEN or name.lower() in _NAMES or _PATTERNS.match(name) is not None
