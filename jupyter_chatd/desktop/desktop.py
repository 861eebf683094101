"""One chat family's desktop, from first use until it is stopped; the next use mends a crash in between."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from .actions import Action, Screenshot, placed
from .control import Control
from .driver import Done, Driver, Picture
from .errors import DesktopError, DesktopLostError, DesktopStartError
from .geometry import Point, Size
from .launchers.launcher import Launched, Launcher
from .rfb import Connection
from .rfb.connection import OPEN_LIMIT
from .status import State, Status

log = logging.getLogger(__name__)

CONNECT_LIMIT = 10.0  # seconds for a launched server to answer
RECONNECT_LIMIT = 3.0  # seconds for a running one
FAR_LIMIT = 30.0
"""Seconds for one of another server, each time: 5 to connect, 20 to be let in, and its answer."""
_CONNECT_PAUSE = 0.02  # seconds
_STOPPED = "The desktop was stopped. Another one starts when it is used again."


class Desktop:
    """Starts when used. Actions are done one after another, in the order of their calls."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        size: Size,
        on_use: Callable[[], None] | None = None,
        on_start: Callable[[], None] | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            launcher: How to get a desktop.
            size: What to ask it for.
            on_use: Called before and after each use.
            on_start: Called before each start; a `DesktopError` of it prevents that.
        """
        self.control = Control()
        """Whether a person has taken it. `act` does not ask: people use it as well."""
        self.launcher = launcher
        self._size = size
        self._on_use = on_use or _nothing
        self._on_start = on_start or _nothing
        self._turn = asyncio.Lock()
        self._used_at = time.monotonic()
        self._use_limit: asyncio.Timeout | None = None
        self._is_closed = False
        self._launched: Launched | None = None
        self._driver: Driver | None = None
        self._is_starting = False
        self._problem: str | None = None
        self._has_failed = False

    @property
    def status(self) -> Status:
        """What is known now, without asking the desktop."""
        size = self._driver.size if self._driver else self._size
        return Status(state=self._state(), launcher=self.launcher.name, size=size, problem=self._problem)

    @property
    def is_busy(self) -> bool:
        """Whether somebody uses it right now."""
        return self._turn.locked()

    @property
    def unused_s(self) -> float:
        """Seconds since it was used last; 0 while it is."""
        return 0.0 if self.is_busy else time.monotonic() - self._used_at

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program needs to show itself on the desktop; empty while it does not run."""
        return self._launched.environment if self._launched else {}

    async def socket(self) -> Path:
        """Return the RFB socket for another client, such as a viewer; starts the desktop when needed.

        Raises:
            DesktopError: it could not be started.
        """
        if self._is_running() and self._launched is not None:
            return self._launched.socket  # a viewer does not wait for the model's actions
        async with self._use():
            assert self._launched is not None
            return self._launched.socket

    async def act(self, actions: Sequence[Action], *, told: Size | None = None) -> list[Done]:
        """Do *actions* in order, without anybody else's in between; return what each gave.

        Args:
            actions: All are checked against the screen before the first is done.
            told: Size of the screen that their points refer to; default `Driver.told`.

        Raises:
            ActionError: a point or a region is outside of the screen; nothing was done.
            DesktopLostError: the desktop went away meanwhile: whether the last action was done is unknown.
            DesktopError: it could not be started, or text was not taken; later actions were not done.
        """
        async with self._use() as driver:
            return await _perform(driver, actions, told)

    async def settle(self) -> bool:
        """Wait until the screen is quiet; false when it goes on changing."""
        async with self._use() as driver:
            return await driver.settle()

    async def picture(self, size: Size | None = None) -> Picture:
        """Return the screen, in *size* or its own. Starts over once when the desktop went away meanwhile.

        Raises:
            DesktopError: it could not be started.
        """
        try:
            return await self._picture(size)
        except DesktopLostError:
            return await self._picture(size)

    async def glance(self, *, width: int) -> Picture | None:
        """Return the screen for somebody who only looks, `None` when it does not run. This is no use.

        Args:
            width: Of the picture, where the screen is wider; its height follows.
        """
        async with self._turn:
            if self._driver is None or not self._is_running():
                return None
            size = self._driver.size
            limit = Size(width=min(width, size.width), height=size.height)
            return await self._driver.picture(size.fitted(limit))

    async def release(self) -> None:
        """Let go of keys and buttons that actions left down, if it runs."""
        async with self._turn:
            if self._driver is not None and self._driver.is_open:
                self._driver.release_all()

    def note_pointer(self, at: Point) -> None:
        """Take note that a person moved the pointer, in pixels of the screen itself."""
        self._used_at = time.monotonic()
        if self._driver is not None:
            self._driver.note_pointer(at)

    async def close(self) -> None:
        """End it for good, in the middle of a use as well. May be called twice.

        Whoever uses it, now or later, gets a `DesktopLostError`.
        """
        self._is_closed = True
        self.control.give_back()
        if self._use_limit is not None:
            self._use_limit.reschedule(asyncio.get_running_loop().time())
        async with self._turn:
            self._problem, self._has_failed = None, False
            await self._discard()

    @asynccontextmanager
    async def _use(self) -> AsyncGenerator[Driver]:
        """Give the driver to one caller at a time, until `close`."""
        async with self._turn:
            if self._is_closed:
                raise DesktopLostError(_STOPPED)
            self._on_use()
            try:
                async with asyncio.timeout(None) as self._use_limit:
                    yield await self._ready()
            except TimeoutError:
                raise DesktopLostError(_STOPPED) from None
            except DesktopLostError as error:
                self._problem = str(error)
                raise
            finally:
                self._use_limit = None
                self._used_at = time.monotonic()
                self._on_use()

    async def _picture(self, size: Size | None) -> Picture:
        async with self._use() as driver:
            done = await driver.perform(Screenshot(), told=size or driver.size)
            assert done.picture is not None
            return done.picture

    async def _ready(self) -> Driver:
        if self._driver is not None and (self._is_running() or await self._reconnect()):
            return self._driver
        await self._let_go()
        self._is_starting = True
        try:
            self._on_start()
            self._driver = await self._start()
        except DesktopError as error:
            self._problem, self._has_failed = str(error), True
            raise
        finally:
            self._is_starting = False
        self._problem, self._has_failed = None, False
        return self._driver

    async def _start(self) -> Driver:
        self._launched = await self.launcher.launch(self._size)
        try:
            return Driver(await _connect(self._launched))
        except BaseException:
            await self._let_go()
            raise

    async def _reconnect(self) -> bool:
        """Connect anew to a server that lives on, with the windows that it shows; false when that fails."""
        if self._launched is None or not self._launched.is_alive:
            return False
        limit_s = FAR_LIMIT if self._launched.is_elsewhere else RECONNECT_LIMIT
        try:
            connection = await Connection.open(self._launched.socket, limit_s=limit_s)
        except DesktopStartError as error:
            log.warning("The desktop's connection broke, and another one failed: %s", error)
            return False
        broken, self._driver = self._driver, Driver(connection)
        if broken is not None:
            self._driver.note_pointer(broken.pointer)
            await broken.close()
        return True

    async def _let_go(self) -> None:
        """Make room for another launch. One elsewhere may live on, and that launch finds its windows."""
        if self._launched is None or not self._launched.is_elsewhere:
            await self._discard()
        elif self._driver is not None:
            driver, self._driver = self._driver, None
            await driver.close()

    async def _discard(self) -> None:
        driver, self._driver = self._driver, None
        launched, self._launched = self._launched, None
        if driver is not None:
            await driver.close()
        if launched is not None:
            await launched.stop()

    def _is_running(self) -> bool:
        return bool(self._driver and self._driver.is_open and self._launched and self._launched.is_alive)

    def _state(self) -> State:
        if self._is_starting:
            return State.STARTING
        if self._is_running():
            return State.RUNNING
        return State.FAILED if self._has_failed else State.STOPPED


def _nothing() -> None:
    return


async def _perform(driver: Driver, actions: Sequence[Action], told: Size | None) -> list[Done]:
    for action in actions:
        placed(action, told or driver.told, driver.size)
    return [await driver.perform(action, told=told) for action in actions]


async def _connect(launched: Launched) -> Connection:
    """Connect to a server that may need a moment."""
    limit_s = FAR_LIMIT if launched.is_elsewhere else OPEN_LIMIT
    end = asyncio.get_running_loop().time() + CONNECT_LIMIT
    while True:
        try:
            return await Connection.open(launched.socket, limit_s=limit_s)
        except DesktopStartError as error:
            if not launched.is_alive or asyncio.get_running_loop().time() >= end:
                raise
            log.debug("The desktop is not ready: %s", error)
            await asyncio.sleep(_CONNECT_PAUSE)
