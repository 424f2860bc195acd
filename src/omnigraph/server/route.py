"""Routes: the one table that requests are matched against and that the OpenAPI document is made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote_to_bytes

from omnigraph.server.failure import NotServed, bad_request

if TYPE_CHECKING:
    from omnigraph.server.answer import Answer, Stream
    from omnigraph.server.boot import Mode
    from omnigraph.server.call import Call

BODY_BYTES_MAX: Final = 1024 * 1024
LOAD_BYTES_MAX: Final = 32 * 1024 * 1024

Method = Literal["GET", "POST", "DELETE"]
Handler = Callable[["Call"], Awaitable["Answer | Stream"]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    ``of_server`` routes stand beside the graphs and are never prefixed; ``needs`` names the method of a graph without which
    the route does not exist; ``successor`` is the path that a deprecated one gives way to.
    """

    method: Method
    path: str
    operation_id: str
    tag: str
    summary: str
    handler: Handler
    public: bool = False
    of_server: bool = False
    listed: bool = True
    gated: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
    needs: str | None = None
    successor: str | None = None

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.removeprefix("/").split("/"))


@dataclass(frozen=True, slots=True)
class Match:
    """What a path led to: the operation, its parameters, and the graph that the path names if it names one."""

    route: Route
    parameters: dict[str, str]
    graph_id: str | None = None


@dataclass(slots=True)
class _Place:
    segments: tuple[str, ...]
    routes: dict[str, Route] = field(default_factory=dict)

    def bind(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        if len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for pattern, segment in zip(self.segments, segments, strict=True):
            if pattern.startswith("{"):
                if not segment:
                    return None
                found[pattern[1:-1]] = segment
            elif pattern != segment:
                return None
        return found


class RouteTable:
    """The routes of one mode. Literal paths win over paths with parameters."""

    def __init__(self, routes: Iterable[Route], mode: Mode) -> None:
        self.routes = tuple(routes)
        self._multi = mode == "multi"
        self._places: dict[bool, list[_Place]] = {True: [], False: []}
        for route in sorted(self.routes, key=lambda route: route.path.count("{")):
            places = self._places[route.of_server]
            place = next((one for one in places if one.segments == route.segments), None)
            if place is None:
                place = _Place(route.segments)
                places.append(place)
            place.routes[route.method] = route

    def match(self, method: str, raw_path: bytes) -> Match:
        """Find the operation. ``raw_path`` is split before it is decoded, so that ``%2F`` is data.

        Raises a 404 for a path that is not there and a 405 for one that does not know the method.
        """
        segments = _segments(raw_path)
        graph_id = None
        found = self._find(True, segments)
        if found is None and not self._multi:
            found = self._find(False, segments)
        elif found is None and len(segments) > 2 and segments[0] == "graphs":
            graph_id = segments[1]
            found = self._find(False, segments[2:])
        if found is None:
            raise NotServed(404, "not_found", "no such route")
        place, parameters = found
        route = place.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = [*place.routes, *(["HEAD"] if "GET" in place.routes else [])]
            allow = (b"allow", ", ".join(sorted(allowed)).encode())
            raise NotServed(405, "method_not_allowed", f"method {method} is not allowed on this route", headers=(allow,))
        return Match(route, parameters, graph_id)

    def _find(self, of_server: bool, segments: tuple[str, ...]) -> tuple[_Place, dict[str, str]] | None:
        for place in self._places[of_server]:
            parameters = place.bind(segments)
            if parameters is not None:
                return place, parameters
        return None


def _segments(raw_path: bytes) -> tuple[str, ...]:
    path = raw_path.partition(b"?")[0].removeprefix(b"/")
    try:
        return tuple(unquote_to_bytes(segment).decode() for segment in path.split(b"/"))
    except UnicodeDecodeError:
        raise bad_request("the path is not valid UTF-8") from None
