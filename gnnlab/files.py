"""Writing a file at once or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft beside `path` to write to; at the end it is on the disk and takes the place of `path`.

    A reader, or a crash, sees the old file or the new one, never a part. An error leaves the old one.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Put `text`, in UTF-8, in the place of `path`, as `replacing` does."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")
