"""The seam for full-text and vector search.

Two functions are all that the rest of the room knows about search: which rows match a text (`matches_text`), and how well a
ranking likes them (`rank`). Until an index is behind them, `ensure_available` refuses reads that need them.
"""

from __future__ import annotations

from typing import NoReturn

from omnigraph.errors import ExecutionError
from omnigraph.language.checked import Bm25, Nearest, Ranking, Rrf, TextMatch
from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, Positions, SortKey
from omnigraph.storage.view import Mask


def ensure_available(function: str) -> None:
    """Refuse a read that uses a search function before it starts."""
    raise _unavailable(function)


def matches_text(match: TextMatch, frame: Frame, context: Context) -> Mask:
    """Return which rows of the frame (of its `width`) hold the text that is asked for."""
    raise _unavailable(match.function)


def rank(ranking: Ranking, frame: Frame, limit: int | None, context: Context) -> tuple[Positions, SortKey]:
    """Return the positions of the rows that are ranked, and a number for each that is smaller the better it is.

    Rows of equal rank have equal numbers: further order keys and the ids settle what comes first. ``limit`` is the depth of the
    arms of ``rrf``.
    """
    raise _unavailable(ranking_name(ranking))


def score(expression: TextMatch | Ranking, frame: Frame, context: Context) -> NoReturn:
    """Refuse a score in a projection (section 21.6 of the languages)."""
    name = expression.function if isinstance(expression, TextMatch) else ranking_name(expression)
    raise ExecutionError(
        f"unsupported projection expression: {name}(…)",
        hint="use the function in match or order; scores as values come in a later release",
    )


def ranking_name(ranking: Ranking) -> str:
    names: dict[type, str] = {Nearest: "nearest", Bm25: "bm25", Rrf: "rrf"}
    return names[type(ranking)]


def _unavailable(function: str) -> ExecutionError:
    return ExecutionError(
        f"{function}(…) is not available: full-text and vector search come in a later release",
        hint="filter by properties until then",
    )
