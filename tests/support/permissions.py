"""Files that may not be read, also for tests that run as root."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

NOBODY = 65534


@contextlib.contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder with an unreadable folder, secret/, in it, whose photo.jpg this process may not read meanwhile."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    user = os.geteuid()
    try:
        (folder / "secret").mkdir()
        (folder / "secret" / "photo.jpg").write_bytes(b"secret")
        (folder / "secret").chmod(0)
        if user == 0:
            os.seteuid(NOBODY)
        yield folder
    finally:
        if user == 0:
            os.seteuid(user)
        (folder / "secret").chmod(0o700)
        shutil.rmtree(folder)
