import ctypes
import json
import socket
import subprocess
import sys
import time

import pytest
from django.conf import settings

from styles import actions
from styles.actions import Accepted, Refused
from styles.intake import inspect as intake
from tests.builders import make_style
from tests.styles.intake import accepted, take
from tests.styles.pictures import jpeg, upload

pytestmark = pytest.mark.django_db


def test_one_bad_file_never_spoils_the_others():
    files = [
        upload(jpeg(1), "1.jpg"),
        upload(jpeg(2)[:-3000], "2.jpg"),
        upload(b"", "3.jpg"),
        upload(jpeg(4), "4.jpg"),
    ]
    verdicts = actions.add_references(style=make_style(), files=files)
    assert [type(verdict) for verdict in verdicts] == [Accepted, Refused, Refused, Accepted]


def test_a_file_that_ends_the_sandbox_never_spoils_the_others(monkeypatch):
    """A decoder that crashes is stood in for by a sandbox that kills itself at the second file."""
    trap = (
        "import sys, os; sys.path.insert(0, sys.argv.pop(1)); from pathlib import Path;"
        "from styles.intake import sandbox; plain = sandbox.inspect;"
        "sandbox.inspect = lambda path, out: os.abort() if path.name == '1' else plain(path, out);"
        "sandbox.main(Path(sys.argv[1]), [int(n) for n in sys.argv[2:]])"
    )
    monkeypatch.setattr(intake, "_BOOTSTRAP", trap)
    files = [upload(jpeg(seed), f"{seed}.jpg") for seed in (1, 2, 3)]
    verdicts = actions.add_references(style=make_style(), files=files)
    assert [type(verdict) for verdict in verdicts] == [Accepted, Refused, Accepted]
    assert verdicts[1].code == "unreadable"


def test_the_sandbox_holds_no_secret_and_little_memory(tmp_path):
    """What the sandbox process sees of the environment, and what it may take."""
    look = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import os, resource; from pathlib import Path;"
        "from styles.intake import sandbox; sandbox.main(Path(sys.argv[1]), []);"
        "loaded = [name for name in ('django', 'torch', 'celery') if name in sys.modules];"
        "print(sorted(os.environ), resource.getrlimit(resource.RLIMIT_AS)[0], loaded)"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-c", look, str(settings.BASE_DIR), str(tmp_path)],
        env=intake._ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == f"{sorted(intake._ENVIRONMENT)} {2 << 30} []"


def test_a_file_that_takes_too_long_is_given_up(monkeypatch):
    endless = (
        "import sys, time; sys.path.insert(0, sys.argv.pop(1)); from pathlib import Path;"
        "from styles.intake import sandbox; sandbox.SECONDS_A_FILE = 1;"
        "sandbox.inspect = lambda path, out: time.sleep(60);"
        "sandbox.main(Path(sys.argv[1]), [int(n) for n in sys.argv[2:]])"
    )
    monkeypatch.setattr(intake, "_BOOTSTRAP", endless)
    verdict = take(make_style(), jpeg())
    assert isinstance(verdict, Refused)
    assert verdict.code == "unreadable"


def test_what_the_sandbox_answers_is_not_taken_on_trust(monkeypatch):
    figures = {"width": 800, "height": 800, "phash": 1, "sharpness": 1, "tone": "#000000"} | {
        "blur": "data:image/webp;base64,AA==",
        "features": dict.fromkeys(("light", "contrast", "saturation", "dark", "white", "white_edge", "detail"), 0)
        | {"hues": [0] * 12},
    }
    lying = (
        "import sys; from pathlib import Path; out = Path(sys.argv[2]) / 'out' / '0'; out.mkdir(parents=True);"
        "(out / 'copy.jpg').symlink_to('/etc/passwd'); (out / 'thumb.webp').write_bytes(b'RIFF');"
        f"(out / 'result.json').write_text({json.dumps({'accepted': figures})!r})"
    )
    monkeypatch.setattr(intake, "_BOOTSTRAP", lying)
    verdict = take(make_style(), jpeg())
    assert isinstance(verdict, Refused)
    assert verdict.code == "unreadable"


def test_a_picture_is_ready_within_its_time():
    """Two megapixels, process start included; a generous bound, for machines are shared."""
    style = make_style()
    take(style, jpeg(1))
    started = time.monotonic()
    accepted(take(style, jpeg(2, (1700, 1200))))
    assert time.monotonic() - started < 3


def test_the_sandbox_reads_no_file_but_its_own_and_opens_no_connection(monkeypatch, tmp_path):
    """A decoder that was taken over is stood in for by one that looks around and reports as codes."""
    secret = settings.BASE_DIR / "manage.py"
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    spy = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from pathlib import Path; import socket, os;"
        "from styles.intake import sandbox\n"
        "def dares(deed):\n"
        "    try: deed()\n"
        "    except OSError: return False\n"
        "    return True\n"
        "def look(path, out):\n"
        f"    reads = dares(lambda: open({str(secret)!r}).read())\n"
        "    parent = dares(lambda: open(f'/proc/{os.getppid()}/environ', 'rb').read())\n"
        f"    writes = dares(lambda: open({str(tmp_path / 'x')!r}, 'w').close())\n"
        f"    calls = dares(lambda: socket.create_connection(('127.0.0.1', {port}), 1))\n"
        "    done = {'reads': reads, 'parent': parent, 'writes': writes, 'calls': calls}\n"
        "    return {'refused': '_'.join(name for name in done if done[name]) or 'nothing', 'facts': {}}\n"
        "sandbox.inspect = look; sandbox.main(Path(sys.argv[1]), [0])"
    )
    monkeypatch.setattr(intake, "_BOOTSTRAP", spy)
    with intake.workspace() as work:
        (work / "in" / "0").write_bytes(b"")
        found = intake.inspect(work, [0])[0]
    listener.close()
    if ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) < 4:
        pytest.skip("this kernel has no Landlock, or one without rules for the network")
    assert found.code == "nothing"
