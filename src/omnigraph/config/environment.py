"""Files of environment variables, as ``auth.env_file`` names them."""

from __future__ import annotations

from pathlib import Path

from omnigraph.errors import InvalidSetting


def read_env_file(path: str) -> dict[str, str]:
    """Read ``NAME=VALUE`` lines; a missing file is empty, and the first definition of a name wins.

    A line may begin with ``export ``; one pair of quotes around a value is removed; nothing is expanded.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidSetting(f"could not read auth.env_file '{path}': {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSetting(f"could not read auth.env_file '{path}': it is not UTF-8 text") from None
    found: dict[str, str] = {}
    for raw in text.split("\n"):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.removeprefix("export ").partition("=")
        if separator and name.strip():
            found.setdefault(name.strip(), unquoted(value.strip()))
    return found


def unquoted(text: str) -> str:
    """Remove one pair of matching quotes around ``text``."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text
