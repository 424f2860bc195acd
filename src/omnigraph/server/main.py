"""The entry of ``omnigraph-server``: boot in the order that decides which reason for a refusal is told."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Sequence

from omnigraph.errors import OmnigraphError
from omnigraph.server import logs
from omnigraph.server.options import UNAUTHENTICATED_VARIABLE, Options, parse_options, truthy

EXIT_OK = 0
EXIT_REFUSED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal asks for the end. 0 after a clean shutdown, 1 for a refusal, 2 for a wrong command line."""
    options = parse_options(argv)
    try:
        logs.configure(os.environ)
    except OSError as error:
        return _refuse_for(error)
    with logs.held() as release:
        try:
            _serve(options, release)
        except (OmnigraphError, OSError) as error:
            return _refuse_for(error)
        except KeyboardInterrupt:  # before there was a loop to catch it
            return EXIT_OK
    return EXIT_OK


def main_with_aws(argv: Sequence[str] | None = None) -> int:
    """Serve like `main`, but only where the ``aws`` extra is installed: 1 otherwise."""
    from importlib.util import find_spec

    if find_spec("boto3") is None:
        _refuse("AWS support is not installed", "install it with `pip install 'omnigraph[aws]'`, or start omnigraph-server")
        return EXIT_REFUSED
    return main(argv)


def _serve(options: Options, release_log: Callable[[], None]) -> None:
    from omnigraph.config.legacy import QUIET_VARIABLE
    from omnigraph.server.access import RuntimeState
    from omnigraph.server.app import Application
    from omnigraph.server.boot import plan_boot
    from omnigraph.server.listening import address_of, bound_socket, serve
    from omnigraph.server.service import open_service
    from omnigraph.server.table import route_table
    from omnigraph.server.tokens import load_tokens

    plan = plan_boot(options, os.environ)
    if plan.notice is not None and QUIET_VARIABLE not in os.environ:
        logs.notice(plan.notice)
    tokens, source = load_tokens(os.environ)
    if tokens:
        logs.info("loaded bearer token source", source=source)
    consent = options.unauthenticated or truthy(os.environ, UNAUTHENTICATED_VARIABLE)
    state = RuntimeState.of(has_tokens=bool(tokens), has_policy=plan.has_policy, consent=consent)
    service = open_service(plan, state, tokens, os.environ)

    async def reload() -> None:
        await reload_tokens()
        if service.cluster is not None:
            from omnigraph.server import cluster_reload

            with contextlib.suppress(OmnigraphError):  # told in the log; what was served is served on
                await cluster_reload.reload(service)

    async def reload_tokens() -> None:
        """Read the tokens again; a source that cannot be used, or holds none any more, leaves them as they are."""
        try:
            found, where = await service.workers.read(load_tokens, os.environ)
        except OmnigraphError as error:
            logs.error("bearer tokens not reloaded", reason=error.message)
            return
        if bool(found) != bool(service.tokens):
            logs.error("bearer tokens not reloaded", reason="a restart is needed to begin, or to stop, asking for tokens")
            return
        service.tokens = found
        logs.info("reloaded bearer token source", source=where)

    try:
        listener = bound_socket(plan.bind)
        release_log()
        state.announce()
        bind = address_of(listener)
        if plan.mode == "single":
            graph = service.only_graph
            logs.info("serving omnigraph", uri=graph.uri, graph_id=graph.graph_id, bind=bind, mode=plan.mode)
        else:
            count = len(service.graphs)
            origin = plan.config_path if plan.cluster is None else plan.cluster
            logs.info("serving omnigraph", bind=bind, mode=plan.mode, graph_count=count, config=origin)
        # What was made so far stays: no look for cycles goes through it again, beside requests.
        gc.collect()
        gc.freeze()
        serve(Application(service, route_table(service)), listener, f"OMNIGRAPH_LISTEN_ADDR={bind}", reload)
    finally:
        service.close()


def _refuse_for(error: OmnigraphError | OSError) -> int:
    if isinstance(error, OmnigraphError):
        _refuse(error.message, error.hint)
    else:
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        _refuse(f"io: {where}{error.strerror or error}", None)
    return EXIT_REFUSED


def _refuse(message: str, hint: str | None) -> None:
    lines = [f"error: {message}"]
    if hint is not None:
        lines.append(f"hint: {hint}")
    print("\n".join(lines), file=sys.stderr)
