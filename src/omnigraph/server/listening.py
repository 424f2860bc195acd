"""Listening: the address, the socket, and the time between the first signal and the end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from omnigraph.errors import InvalidSetting
from omnigraph.server.app import Application
from omnigraph.server.logs import info
from omnigraph.server.protocol import Protocol, allow_many_files, judge_all

BACKLOG: Final = 2_048
KEEP_ALIVE_S: Final = 75
"""Longer than the minute for which clients and load balancers keep idle connections, so that they close first."""

WATCH_S: Final = 5.0
"""How often connections that do not move are looked for."""

Reload = Callable[[], Coroutine[None, None, None]]


def bound_socket(bind: str) -> socket.socket:
    """Bind and listen. Port 0 takes a free one. Raises :class:`InvalidSetting` that names the address.

    The address can be bound again as soon as the process has ended, whatever its connections still wait for.
    """
    host, port = _split(bind)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidSetting(f"cannot listen on {bind}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise InvalidSetting(f"cannot listen on {bind}: {error.strerror or error}") from None
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """Return where a socket listens, as ``host:port``."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def serve(application: Application, listener: socket.socket, greeting: str, reload: Reload | None = None) -> None:
    """Answer requests until SIGINT or SIGTERM, then finish those in flight. A second signal ends without them.

    ``greeting`` goes to standard output, alone on its line, when signals are caught and requests are answered. SIGHUP runs
    ``reload`` on the event loop.
    """
    Protocol.connections_max = allow_many_files()
    config = uvicorn.Config(
        application,
        interface="asgi3",
        loop="auto",
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    _Server(config, greeting, reload).run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server with our signals: it ends with 0 after a drain, where uvicorn raises the signal again."""

    def __init__(self, config: uvicorn.Config, greeting: str, reload: Reload | None) -> None:
        super().__init__(config)
        self._greeting = greeting
        self._reload = reload
        self._reloading: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._begin_reload)
        watch = loop.create_task(self._watch())
        print(self._greeting, flush=True)
        try:
            yield
        finally:
            watch.cancel()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_S)
            judge_all(self.server_state.connections, loop.time())

    def _begin_reload(self) -> None:
        if self._reload is not None and (self._reloading is None or self._reloading.done()):
            self._reloading = asyncio.get_running_loop().create_task(self._reload())

    def _stop(self) -> None:
        if self.should_exit:
            self.force_exit = True
            return
        info("shutdown signal received")
        self.should_exit = True


def _split(bind: str) -> tuple[str, int]:
    host, separator, port = bind.strip().rpartition(":")
    if not separator or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise InvalidSetting(f"cannot listen on '{bind}': write an address as <host>:<port>")
    return host.removeprefix("[").removesuffix("]"), int(port)
