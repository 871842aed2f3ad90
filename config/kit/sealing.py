"""What the database must not hold in clear is sealed with a key that is not in it: a stolen copy opens nothing."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

MARK = "sealed:1:"  # tells what is sealed from what never was, and one way of sealing from the next
_PURPOSE = b"artistcloner.sealing.1"  # a key made of SECRET_KEY for this is good for nothing else


class Unreadable(Exception):
    """Sealed with a key that is not among ours any more, or changed since."""


def seal(text: str) -> str:
    return MARK + _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    if not is_sealed(sealed):
        raise Unreadable("This was never sealed.")
    try:
        return _box().decrypt(sealed.removeprefix(MARK).encode()).decode()
    except InvalidToken as error:
        raise Unreadable("None of ENCRYPTION_KEYS, SECRET_KEY and SECRET_KEY_FALLBACKS opens this.") from error


def is_sealed(text: str) -> bool:
    return text.startswith(MARK)


def reseal(sealed: str) -> str:
    """The same secret under the key that comes first now."""
    return seal(unseal(sealed))


def _box() -> MultiFernet:
    """The first key seals, each of them opens: so keys can be changed without a moment in which nobody signs in."""
    keys = [*settings.ENCRYPTION_KEYS, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([_fernet(key) for key in keys])


@lru_cache(maxsize=16)
def _fernet(secret: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
