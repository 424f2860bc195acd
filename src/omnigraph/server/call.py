"""One request while it is answered: its parts, read when they are asked for, and what it may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import UNSET

from omnigraph.errors import BadRequest
from omnigraph.policy.action import ActionName
from omnigraph.server.failure import Refusal, bad_request, unauthorized
from omnigraph.server.logs import audit
from omnigraph.server.route import Match
from omnigraph.server.service import ServedGraph, Service
from omnigraph.storage.record import MAIN
from omnigraph.wire.commit import CommitInfo
from omnigraph.wire.encoding import decode
from omnigraph.wire.error import ResourceLimitInfo

Receive = Callable[[], Awaitable[dict[str, Any]]]  # Any: messages of ASGI
_T = TypeVar("_T")
_BEARER: Final = b"bearer "


class ClientGone(Exception):
    """The client closed the connection; nobody waits for an answer."""


@dataclass(slots=True)
class Call:
    """One request. ``served`` is the graph that it addresses; a route of the server has none."""

    service: Service
    match: Match
    headers: list[tuple[bytes, bytes]]
    query_string: bytes
    receive: Receive
    gone: Callable[[], bool] | None = None
    """Says, on any thread, whether the client has closed the connection; without it nobody can tell."""
    is_head: bool = False
    actor: str | None = None
    _served: ServedGraph | None = None
    _query: dict[str, list[str]] | None = field(default=None)

    @property
    def served(self) -> ServedGraph:
        assert self._served is not None, "the route is not one of a graph"
        return self._served

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header."""
        return next((value for known, value in self.headers if known == name), None)

    def authenticate(self) -> None:
        """Learn from the token, and from nothing else, who asks. Raises a 401."""
        presented = self.header(b"authorization")
        if presented is None or presented[: len(_BEARER)].lower() != _BEARER or not _is_utf8(presented):
            raise unauthorized("missing bearer token")
        self.actor = self.service.tokens.actor_of(presented[len(_BEARER) :])
        if self.actor is None:
            raise unauthorized("invalid bearer token")

    def locate(self) -> None:
        """Find the graph. Raises a 400 for a bad id and a 404 for an unknown one."""
        from omnigraph.server.graph_id import check_graph_id

        if self.match.route.of_server:
            return
        graph_id = self.match.graph_id
        if graph_id is None:
            self._served = self.service.only_graph
            return
        check_graph_id(graph_id)
        self._served = self.service.graphs.get(graph_id)
        if self._served is None:
            raise Refusal(404, "not_found", f"graph '{graph_id}' not found")

    # --- what it may do ------------------------------------------------------------------------------------------------

    def authorize(self, action: ActionName, *, branch: str | None = None, target_branch: str | None = None) -> None:
        """Refuse what the policy of the graph, or the state of the server, does not allow."""
        self.served.access.require(self.actor, action, branch, target_branch)

    def wrote(self, branch: str, commit: CommitInfo | None = None) -> None:
        """Record a write that was carried out; without a commit it changed branches alone, or nothing."""
        audit(
            "write",
            graph=self.served.graph_id,
            actor_id=self.actor,
            operation=self.match.route.operation_id,
            branch=branch,
            commit=None if commit is None else commit.graph_commit_id,
        )

    # --- what it says --------------------------------------------------------------------------------------------------

    def parameter(self, name: str) -> str:
        """Return a part of the path."""
        return self.match.parameters[name]

    def query(self, name: str) -> str | None:
        """Return a parameter of the query string. Raises a 400 for one that is not UTF-8 or stands there twice."""
        if self._query is None:
            self._query = _parsed(self.query_string)
        values = self._query.get(name, [])
        if len(values) > 1:
            raise bad_request(f"query parameter '{name}' may appear at most once")
        return values[0] if values else None

    def queries(self, name: str) -> list[str]:
        """Return every value of a parameter of the query string that may be repeated."""
        if self._query is None:
            self._query = _parsed(self.query_string)
        return self._query.get(name, [])

    def query_names(self) -> list[str]:
        """Return the names of the parameters of the query string."""
        if self._query is None:
            self._query = _parsed(self.query_string)
        return list(self._query)

    async def body(self, resource: str | None = None) -> bytes:
        """Read the body up to the limit of the route. Raises a 413 without reading, or keeping, more.

        ``resource`` is the name under which the 413 tells the limit as a fact.
        """
        limit = self.match.route.body_bytes_max
        announced = self.header(b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > limit:
            raise _too_large(limit, int(announced), resource)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _too_large(limit, size, resource)
            if chunk:
                chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def decode(self, shape: type[_T]) -> _T:
        """Read a JSON body of a shape. Raises a 415, 413, 400 or 422."""
        if not _is_json(self.header(b"content-type")):
            raise bad_request("expected request with `Content-Type: application/json`", 415)
        try:
            return decode_json(await self.body(), shape)
        except msgspec.ValidationError as error:
            raise bad_request(f"invalid request body: {error}", 422) from None
        except ValueError as error:
            raise bad_request(f"request body is not JSON: {error}") from None


def decode_json(body: bytes, shape: type[_T]) -> _T:
    """Decode a body. Raises msgspec.ValidationError for a wrong shape, ValueError for what is no JSON."""
    try:
        return decode(body, shape)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def branch_or_none(name: str | None) -> str | None:
    """Trim the name of a branch, before anyone decides about it. Raises BadRequest for an empty one."""
    if name is None:
        return None
    trimmed = name.strip()
    if not trimmed:
        raise BadRequest("branch name cannot be empty")
    return trimmed


def branch_or_main(name: str | None) -> str:
    """Trim the name of a branch; none is main."""
    return branch_or_none(name) or MAIN


def _parsed(query_string: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in query_string.split(b"&"):
        if not part:
            continue
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        try:
            found.setdefault(unquote_to_bytes(name).decode(), []).append(unquote_to_bytes(value).decode())
        except UnicodeDecodeError:
            raise bad_request("the query string is not valid UTF-8") from None
    return found


def _is_json(content_type: bytes | None) -> bool:
    media = (content_type or b"").partition(b";")[0].strip().lower()
    return media == b"application/json" or (media.startswith(b"application/") and media.endswith(b"+json"))


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _too_large(limit: int, actual: int, resource: str | None) -> Refusal:
    fact = UNSET if resource is None else ResourceLimitInfo(resource, limit, actual)
    return Refusal(413, "bad_request", f"request body exceeds the limit of {limit} bytes", resource_limit=fact)
