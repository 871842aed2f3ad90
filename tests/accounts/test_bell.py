"""The bell over the real channel layer: what is new comes to its owner's tabs, and to nobody else's."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from accounts import notifications
from accounts.models import User
from accounts.notifications import Kind, notify
from tests.builders import make_user
from tests.gpu.test_socket import Open, received, tab  # noqa: F401 - the fixture that opens sockets

pytestmark = pytest.mark.django_db(transaction=True)

TALK = Kind("test.talk", "Talk")
in_thread = sync_to_async(thread_sensitive=False)


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "_kinds", dict(notifications._kinds))
    notifications.register(TALK)


@pytest.fixture
def artist(transactional_db: None) -> User:
    return make_user()


def tell(user: User, key: str = "1") -> None:
    notify(user=user, kind=TALK.name, key=key, title=f"News {key}", url="/styles/")


async def test_what_is_new_comes_to_every_tab_of_its_owner(artist: User, tab: Open) -> None:  # noqa: F811
    tabs = [await tab(artist), await tab(artist)]

    await in_thread(tell)(artist)

    for socket in tabs:
        html = await received(socket, holding="News 1")
        assert 'id="bell-lines"' in html
        assert "Notifications, 1 unread" in html
        assert "1 new notification: News 1" in html


async def test_nobody_else_hears_of_it(artist: User, tab: Open) -> None:  # noqa: F811
    other = await tab(await in_thread(make_user)())

    await in_thread(tell)(artist)

    assert await other.receive_nothing(0.7)


async def test_what_is_read_in_one_tab_is_read_in_the_others_and_announces_nothing(
    artist: User,
    tab: Open,  # noqa: F811
) -> None:
    await in_thread(tell)(artist)
    socket = await tab(artist)

    await in_thread(notifications.read_all)(user=artist)

    html = await received(socket, holding="bell-count")
    assert "unread" not in html
    assert "new notification" not in html


async def test_what_shall_not_ring_changes_the_lines_and_announces_nothing(
    artist: User,
    tab: Open,  # noqa: F811
) -> None:
    await in_thread(notifications.choose)(user=artist, kind=TALK.name, bell=False)
    socket = await tab(artist)

    await in_thread(tell)(artist)

    html = await received(socket, holding="News 1")
    assert "new notification" not in html
    assert "unread" not in html
