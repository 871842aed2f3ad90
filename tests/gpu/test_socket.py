"""The socket of a tab, over the real channel layer: whose it is, what it shows, how often, and when it closes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from allauth.usersessions.models import UserSession
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import User
from accounts.sessions import end_other_sessions
from config.asgi import application
from gpu import consumers, lifecycle, live
from gpu.consumers import SIGN_IN
from gpu.models import Job
from tests.gpu.conftest import PATIENCE, make_artist, make_worker, submit

pytestmark = pytest.mark.django_db(transaction=True)

Open = Callable[..., Awaitable[WebsocketCommunicator]]


def headers(client: Client | None, origin: str = "http://testserver") -> list[tuple[bytes, bytes]]:
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME) if client else None
    found = [(b"origin", origin.encode())]
    return [*found, (b"cookie", f"{cookie.key}={cookie.value}".encode())] if cookie else found


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def artist(transactional_db: None) -> User:
    return make_artist()


@pytest.fixture
async def tab() -> AsyncIterator[Open]:
    """Opens sockets, and closes them after the test."""
    opened: list[WebsocketCommunicator] = []

    async def open_tab(user: User) -> WebsocketCommunicator:
        client = await sync_to_async(signed_in)(user)
        socket = WebsocketCommunicator(application, "/ws/", headers=headers(client))
        connected, _ = await socket.connect()
        assert connected
        opened.append(socket)
        return socket

    yield open_tab
    for socket in opened:
        await socket.disconnect()


async def received(socket: WebsocketCommunicator, *, holding: str, seconds: float = PATIENCE) -> str:
    """The first message that holds these words."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        text: str = await socket.receive_from(timeout=left)
        if holding in text:
            return text
    raise AssertionError(f"nothing with {holding!r} arrived")


in_thread = sync_to_async(thread_sensitive=False)


async def test_a_stranger_is_not_let_in(transactional_db: None) -> None:
    socket = WebsocketCommunicator(application, "/ws/", headers=headers(None))

    assert await socket.connect() == (False, SIGN_IN)


async def test_who_was_banned_meanwhile_is_not_let_in(artist: User) -> None:
    client = await sync_to_async(signed_in)(artist)
    await _ban(artist)
    socket = WebsocketCommunicator(application, "/ws/", headers=headers(client))

    connected, _ = await socket.connect()

    assert not connected


async def test_another_site_s_page_is_not_let_in(artist: User) -> None:
    client = await sync_to_async(signed_in)(artist)
    socket = WebsocketCommunicator(application, "/ws/", headers=headers(client, origin="http://evil.example"))

    connected, _ = await socket.connect()

    assert not connected


async def test_a_change_arrives_as_fragments_of_the_job(artist: User, tab: Open) -> None:
    socket = await tab(artist)

    job = await in_thread(submit)(artist)

    html = await received(socket, holding=f"probe-{job.public_id}")
    assert f'id="job-{job.public_id}"' in html
    assert 'id="jobs"' in html
    assert 'id="running-jobs"' in html
    assert "Next in the line" in html


async def test_every_tab_of_a_person_hears_it_and_no_other_person_s(artist: User, tab: Open) -> None:
    first, second = await tab(artist), await tab(artist)
    stranger = await tab(await in_thread(make_artist)())

    await in_thread(submit)(artist)

    await received(first, holding="probe-")
    await received(second, holding="probe-")
    assert await stranger.receive_nothing(0.5)


async def test_a_message_about_somebody_else_s_job_shows_nothing(artist: User, tab: Open) -> None:
    other = await in_thread(make_artist)()
    job = await in_thread(submit)(other)
    socket = await tab(artist)
    job.owner = artist  # a message that went to the wrong group

    live.announce(job)
    live.preview(job, 1, "AAAA")

    assert await socket.receive_nothing(0.7)


async def test_progress_is_on_the_page_within_a_second(artist: User, tab: Open) -> None:
    job = await in_thread(submit)(artist)
    running = await in_thread(lifecycle.claim)(worker=await in_thread(make_worker)())
    socket = await tab(artist)

    took = []
    for step in range(1, 6):  # the machine that runs the tests may be busy once, not five times
        began = time.monotonic()
        await in_thread(lifecycle.report)(job_id=job.pk, fence=running.fence, phase="denoising", step=step, steps=20)
        html = await received(socket, holding=f"running {step}")
        took.append(time.monotonic() - began)

    assert min(took) < 1
    assert "Drawing: step 5 of 20" in html


async def test_many_changes_are_four_a_second_and_the_last_one_always_arrives(artist: User, tab: Open) -> None:
    job = await in_thread(submit)(artist)
    running = await in_thread(lifecycle.claim)(worker=await in_thread(make_worker)())
    socket = await tab(artist)

    began = time.monotonic()
    for step in range(1, 31):
        await in_thread(lifecycle.report)(job_id=job.pk, fence=running.fence, step=step)
        await asyncio.sleep(0.03)

    arrived = [""]
    while "running 30<" not in arrived[-1]:
        arrived.append(await socket.receive_from(timeout=PATIENCE))
    assert 2 <= len(arrived) - 1 <= (time.monotonic() - began) / consumers.INTERVAL + 2


async def test_who_waits_sees_that_the_line_moves(artist: User, tab: Open) -> None:
    await in_thread(submit)(await in_thread(make_artist)())
    socket = await tab(artist)
    await in_thread(submit)(artist)
    await received(socket, holding="1 before it in the line")

    await in_thread(lifecycle.claim)(worker=await in_thread(make_worker)())

    await received(socket, holding="Next in the line")


async def test_the_end_of_a_job_takes_it_from_the_list(artist: User, tab: Open) -> None:
    job = await in_thread(submit)(artist)
    socket = await tab(artist)

    await in_thread(lifecycle.request_cancel)(job_id=job.pk)

    html = await received(socket, holding="cancelled 0")
    assert '<section id="jobs"' in html
    assert f'id="job-{job.public_id}"' not in html


async def test_a_forming_picture_passes_through_and_what_comes_too_fast_is_dropped(artist: User, tab: Open) -> None:
    job = await in_thread(submit)(artist)
    socket = await tab(artist)

    for step in range(1, 6):
        live.preview(job, step, "AAAA" * step)

    assert await socket.receive_from(timeout=PATIENCE) == '<i id="preview">1 4</i>'
    assert await socket.receive_nothing(0.5)
    live.preview(job, 9, "A")
    assert await socket.receive_from(timeout=PATIENCE) == '<i id="preview">9 1</i>'


async def test_a_job_that_is_gone_is_passed_over(artist: User, tab: Open) -> None:
    socket = await tab(artist)

    live.announce(Job(owner=artist, public_id=uuid.uuid4()))

    assert await socket.receive_nothing(0.5)


async def test_what_a_tab_says_is_not_listened_to(artist: User, tab: Open) -> None:
    socket = await tab(artist)

    await socket.send_to(text_data='{"job": "1"}')

    assert await socket.receive_nothing(0.2)
    await in_thread(submit)(artist)
    await received(socket, holding="probe-")


async def _sign_out(user: User) -> None:
    await Session.objects.all().adelete()


async def _sign_out_from_elsewhere(user: User) -> None:
    async for session in Session.objects.all():
        await UserSession.objects.acreate(user=user, session_key=session.session_key, ip="127.0.0.1")
    ended = await sync_to_async(end_other_sessions)(user=user, keep="the phone's")
    assert ended == 1


async def _ban(user: User) -> None:
    await User.objects.filter(pk=user.pk).aupdate(state=User.State.BANNED, is_active=False)


async def _change_password(user: User) -> None:
    user.set_password("another one, long enough")
    await user.asave()


@pytest.mark.parametrize("act", [_sign_out, _sign_out_from_elsewhere, _ban, _change_password])
async def test_it_closes_when_the_session_is_over(
    artist: User, tab: Open, act: Callable[[User], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert consumers.RECHECK <= 60
    monkeypatch.setattr(consumers, "RECHECK", 0.2)
    socket = await tab(artist)
    assert await socket.receive_nothing(0.5), "it stays open while the session lasts"

    await act(artist)

    closing = await socket.receive_output(timeout=PATIENCE)
    assert (closing["type"], closing["code"]) == ("websocket.close", SIGN_IN)
