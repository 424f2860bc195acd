"""How a call of the table library fails: its errors become ours, without the places in its own source that they name."""

from __future__ import annotations

import re
from typing import Any

from omnigraph.errors import StorageError

_SOURCE_PLACE = re.compile(r",? ?/\S+\.rs:\d+:\d+$")


def guarded(doing: str, call: Any) -> Any:  # Any: whatever the library call returns
    """Run a library call. Raises :class:`StorageError` with what is to be done about a failure."""
    try:
        return call()
    except StorageError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = _SOURCE_PLACE.sub("", first_line)
        is_full = "No space left on device" in reason
        hint = "free some space; nothing was committed" if is_full else "run `omnigraph repair`"
        raise StorageError(f"storage: {doing} a table failed: {reason}", hint=hint) from None
