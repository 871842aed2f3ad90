"""`make run`: everything up, watched, and down again."""

from __future__ import annotations

import http.client
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from config.stack import process, programs
from config.stack.address import Address
from config.stack.payments import StripeDouble
from config.stack.programs import Step
from config.stack.servers import Postgres, Redis, Server
from config.stack.state import State, Trouble
from config.stack.supervisor import Stopped, Supervisor

_SERVERS_START = 60.0  # seconds; a slow disk makes a new cluster in a few
_SITE_STARTS = 180.0
_LAST_RUN_ENDS = 15.0
_FILE = "stack.json"


def run() -> int:
    """Run until asked to stop. Returns the exit status."""
    state, address = State.from_environment(), Address.from_environment()
    state.make()
    running = take(state)
    if running:
        raise Trouble(f"It is running already, at {running['address']}. Two runs cannot share {state.root}.")
    if os.environ.get("MAKELEVEL"):  # `make` was killed rather than stopped: leave as if it had passed that on
        process.die_with_parent(signal.SIGTERM)
    if process.end_leftovers(state):
        say("The last run was killed; what it left behind is cleaned up.")
    address.check_free()
    double = StripeDouble.from_environment(state, address)
    with Supervisor(state, say) as supervisor:
        try:
            env = bring_up(supervisor, state, address, double)
            supervisor.wait_for([("The site", lambda: answers(address))], seconds=_SITE_STARTS)
            say(welcome(state, address, env, double))
            supervisor.watch()
        except Stopped:
            pass
        finally:
            (state.root / _FILE).unlink(missing_ok=True)
        say("Stopping …")
    say("Everything has stopped.")
    return 0


def bring_up(
    supervisor: Supervisor, state: State, address: Address, double: StripeDouble | None = None
) -> dict[str, str]:
    """Servers, preparations, site. Returns the environment that the programs share."""
    env = start_servers(supervisor, state, address)
    if double is not None:
        env |= double.env()
        supervisor.start(double.program())
    steps = programs.preparations(state, env, embedded_database=not os.environ.get("DATABASE_URL"))
    if steps:
        say("Preparing the database and the pages …")
        prepare(supervisor, state, steps)
    if double is not None:
        open_shop(supervisor, state, double, env)
    for program in programs.site(state, address, env):
        supervisor.start(program)
    state.write_json(_FILE, {"address": address.public_url, "env": env})
    return env


def start_servers(supervisor: Supervisor, state: State, address: Address, *, throwaway: bool = False) -> dict[str, str]:
    """Start the embedded servers that no URL replaces; returns the environment that leads to them."""
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    servers: list[tuple[str, Server]] = []
    if not database_url:
        postgres = Postgres(state, throwaway=throwaway)
        database_url = postgres.url
        servers.append(("PostgreSQL", postgres))
    if not redis_url:
        redis = Redis(state, throwaway=throwaway)
        redis_url = redis.url
        servers.append(("Redis", redis))
    for _, server in servers:
        server.prepare()
        supervisor.start(server.program())
    supervisor.wait_for([(title, server.is_ready) for title, server in servers], seconds=_SERVERS_START)
    return programs.environment(state, address, database_url=database_url, redis_url=redis_url)


def open_shop(supervisor: Supervisor, state: State, double: StripeDouble, env: dict[str, str]) -> None:
    """The double has to answer, and to know what is sold here, before anybody can buy."""
    supervisor.wait_for([("The double of Stripe", double.is_ready)], seconds=_SERVERS_START)
    step = double.offers(env)
    if step is not None:
        prepare(supervisor, state, [step])


def prepare(supervisor: Supervisor, state: State, steps: list[Step]) -> None:
    supervisor.run_to_end([step.program for step in steps])
    programs.note_prepared(state, steps)


def take(state: State) -> dict[str, Any] | None:
    """Take the folder for this process, waiting for a run that is just ending; where one runs on, return its facts."""
    start = time.monotonic()
    while not state.try_lock():
        waited = time.monotonic() - start
        running = state.read_json(_FILE)
        if running and waited > 1.5:  # a run that is ending withdraws this file first
            return running
        if waited > _LAST_RUN_ENDS:
            raise Trouble(f"Another command is using {state.root}. Wait for it to end, or choose another STATE_DIR.")
        time.sleep(0.1)
    (state.root / _FILE).unlink(missing_ok=True)
    return None


def answers(address: Address) -> bool:
    """Whether the site says that it can serve."""
    connection = http.client.HTTPConnection(address.probe, address.port, timeout=2)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/readyz", headers={"Host": f"{address.name}:{address.port}"})
        return connection.getresponse().status == http.client.OK
    return False


def welcome(state: State, address: Address, env: dict[str, str], double: StripeDouble | None = None) -> str:
    url = env["PUBLIC_URL"]
    lines = ["", f"ArtistCloner is ready: {url}", "", "  Open it in a browser and sign up with any e-mail address."]
    if not os.environ.get("EMAIL_URL"):
        where = f"{url}/mail/, on this machine only" if address.loopback_only else f"{state.root / 'mail'}"
        lines.append(f"  No mail server is set: mail waits at {where}.")
    base = os.environ.get("BASE_MODEL") or state.read_json("models.json").get("base") or "starter"
    if base == "starter":
        lines.append("  Pictures come from the small starter model, for trying out. For work: docs/models.md")
    if double is not None:
        lines.append("  Buying is played with a double of Stripe; no money moves (docs/stripe-double.md).")
        lines.append(f"  Its clock, its news and its test cards: {double.url}/double/")
    lines += [
        '  A token for the API: make manage CMD="api_token you@example.com --create"',
        f"  Data and logs: {state.root}",
        "  Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def say(text: str) -> None:
    """Tell the person at the terminal; a terminal that is gone must not end the stack."""
    with suppress(OSError):
        print(text, flush=True, file=sys.stdout)
