"""Landlock: from here on this process sees one folder and the libraries, opens no connection, gains no right.

Linux 5.13 and newer; https://docs.kernel.org/userspace-api/landlock.html. Elsewhere nothing happens, and the limits of
memory, time and files and the empty environment are what holds.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

# the same numbers on every architecture
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FIRST_RIGHTS = (1 << 13) - 1  # version 1: execute, read, write, make and remove of every kind
_REFER, _TRUNCATE, _DEVICES = 1 << 13, 1 << 14, 1 << 15  # versions 2, 3 and 5
_CONNECT_AND_BIND = 0b11  # version 4
_ON_FILES = 0b111 | _TRUNCATE | _DEVICES  # the rights that a rule about a single file may name


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64)]


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def confine(*, work: Path, forget: Path) -> bool:
    """Allow everything below `work`, reading of what Python and its libraries are made of, and nothing else.

    `forget` is a place on Python's search path that must not stay readable. False where the kernel cannot do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    if version < 1:
        return False
    rights = _FIRST_RIGHTS
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _DEVICES)):
        rights |= right if version >= since else 0
    ruleset = _Ruleset(rights, _CONNECT_AND_BIND if version >= 4 else 0)
    size = ctypes.sizeof(ruleset) if version >= 4 else 8
    handle = libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0)
    if handle < 0:
        return False
    _allow(libc, handle, work, rights)
    for folder in _libraries(forget):
        _allow(libc, handle, folder, _READ_FILE | _READ_DIR)
    confined = (
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.syscall(_RESTRICT_SELF, ctypes.c_int(handle), 0) == 0
    )
    os.close(handle)
    return bool(confined)


def _libraries(forget: Path) -> Iterable[Path]:
    """Decoders that most pictures do not need are loaded late, so their files stay readable."""
    places = {
        Path(entry).resolve()
        for entry in (*sys.path, sys.base_prefix, "/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache")
    }
    return sorted(place for place in places - {forget.resolve()} if place.exists())


def _allow(libc: ctypes.CDLL, handle: int, place: Path, rights: int) -> None:
    folder = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _PathRule(rights if place.is_dir() else rights & _ON_FILES, folder)
        libc.syscall(_ADD_RULE, ctypes.c_int(handle), _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(folder)
