"""Text files that users write: read whole, or refused in one line."""

from __future__ import annotations

from pathlib import Path

from fpga_rt.errors import ArtifactError


def read_text(path: Path) -> str:
    """Return the content of a file.

    Raises:
        ArtifactError: it cannot be read.
    """
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ArtifactError(f"{path} cannot be read ({reason}); check the path") from error
