"""The socket of a tab: the server renders, the tab swaps. One for everything that is live on a page."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog
from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.utils.module_loading import import_string

from accounts import bell
from accounts.models import User
from config.kit.live import group_of
from gpu import fragments, kinds
from gpu.models import Job

log = structlog.get_logger(__name__)

INTERVAL = 0.25  # seconds between two fragments, or two previews, of one job: four a second
RECHECK = 30.0  # seconds between two looks at the session behind the socket
SIGN_IN = 4401  # the close code for "sign in first": the page's script does not try again


@dataclass
class Stream:
    """What this socket knows of one job."""

    job: Job | None = None
    sent: float = 0.0
    moved: bool = False
    due: bool = False
    preview_sent: float = 0.0
    rendering: asyncio.Lock = field(default_factory=asyncio.Lock)


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Sends fragments of the jobs of the person who is signed in, and hears nothing from the tab."""

    user: User
    streams: dict[str, Stream]
    tasks: set[asyncio.Task[None]]

    async def connect(self) -> None:
        self.streams = {}
        self.tasks = set()
        self.group = ""
        user = await get_user(self.scope)
        if not welcome(user):
            await self.close(code=SIGN_IN)
            return
        self.user = user
        self.group = group_of(user.public_id)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        self._start(self._watch_session())

    async def disconnect(self, code: int) -> None:
        if not self.group:
            return
        for task in self.tasks:
            task.cancel()
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Tabs have nothing to say here: everything a person does is a request of its own."""

    # --- news ---

    async def job_changed(self, message: dict[str, Any]) -> None:
        """At most four a second; what comes in between is sent at the end of the interval, as it is by then."""
        stream = self.streams.setdefault(message["job"], Stream())
        stream.moved |= message["moved"]
        if not stream.due:
            stream.due = True
            wait = stream.sent + INTERVAL - time.monotonic()
            self._start(self._send_job(message["job"], stream, max(0.0, wait)))

    async def _send_job(self, job_id: str, stream: Stream, wait: float) -> None:
        await asyncio.sleep(wait)
        # from here on news is about a later state than the one that is read below
        stream.due, moved, stream.moved = False, stream.moved, False
        async with stream.rendering:  # in order: an earlier state must not arrive last
            stream.sent = time.monotonic()
            stream.job, html = await render_job(job_id, self.user, with_list=moved)
            if html:
                await self.send(text_data=html)
        if stream.job is None or (stream.job.ended and not stream.due):
            self.streams.pop(job_id, None)

    async def job_preview(self, message: dict[str, Any]) -> None:
        """A forming picture. What comes too fast is dropped: the next one shows more anyway."""
        stream = self.streams.setdefault(message["job"], Stream())
        if time.monotonic() - stream.preview_sent < INTERVAL:
            return
        stream.preview_sent = time.monotonic()
        stream.job = stream.job or await read_job(message["job"], self.user)
        if stream.job is None:
            self.streams.pop(message["job"], None)
            return
        html = await render_preview(stream.job, message["step"], message["webp"])
        if html:
            await self.send(text_data=html)

    async def notification_changed(self, message: dict[str, Any]) -> None:
        """Something new under the bell, or something read in another tab: the lines are read anew."""
        await self.send(text_data=await render_bell(self.user, is_new=message["is_new"]))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside; it ends with the socket."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("socket_failed", exc_info=error)

    # --- the session behind it ---

    async def _watch_session(self) -> None:
        while True:
            await asyncio.sleep(RECHECK)
            try:
                user = await current_user(self.scope)
            except Exception as error:  # noqa: BLE001 - a database that is away says nothing about the session
                log.warning("session_unknown", error=str(error))
                continue
            if not welcome(user):
                await self.close(code=SIGN_IN)
                return


def welcome(user: Any) -> bool:
    return isinstance(user, User) and user.is_active


async def current_user(scope: dict[str, Any]) -> Any:
    """Who the session belongs to now, read afresh: signed out, banned, or another password since."""
    store: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    return await get_user({"session": store(scope["session"].session_key)})


@database_sync_to_async  # type: ignore[untyped-decorator]
def read_job(job_id: str, user: User) -> Job | None:
    return Job.objects.owned_by(user).select_related("owner").filter(public_id=uuid.UUID(job_id)).first()


@database_sync_to_async  # type: ignore[untyped-decorator]
def render_job(job_id: str, user: User, *, with_list: bool) -> tuple[Job | None, str]:
    job = Job.objects.owned_by(user).select_related("owner").filter(public_id=uuid.UUID(job_id)).first()
    if job is None:
        return None, ""
    parts = [kinds.get(job.kind).render(job)]
    if kinds.get(job.kind).quiet:
        return job, parts[0]
    # a list has other lines once a job has moved; its lines are then part of it
    parts.append(fragments.job_list(user) if with_list else fragments.job_row(job))
    parts.append(fragments.running(user))
    return job, "".join(parts)


@database_sync_to_async  # type: ignore[untyped-decorator]
def render_preview(job: Job, step: int, webp: str) -> str:
    return kinds.get(job.kind).render_preview(job, step, webp)


@database_sync_to_async  # type: ignore[untyped-decorator]
def render_bell(user: User, *, is_new: bool) -> str:
    return bell.render(user, is_new=is_new)
