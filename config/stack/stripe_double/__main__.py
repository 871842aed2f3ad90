"""`python -m config.stack.stripe_double --port 8107 --webhook http://localhost:8000/stripe/webhook/`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from config.stack.stripe_double.double import Double
from config.stack.stripe_double.server import Server


def main() -> int:
    given = _arguments()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        server = Server(given.host, given.port)
    except OSError as error:
        print(f"The double cannot listen at {given.host}:{given.port}: {error.strerror}.", file=sys.stderr)
        return 1
    url = given.url or f"http://localhost:{server.port}"
    server.double = Double(
        base_url=url, key=given.key, secret=given.secret, webhook=given.webhook, state=given.state, tax=given.tax
    )
    ended = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: ended.set())
    server.start()
    threading.Thread(target=server.double.keep_going, args=(ended,), daemon=True).start()
    print(f"A double of Stripe listens at {url}. No money moves. Control page: {url}/double/", flush=True)
    ended.wait()
    server.stop()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stripe_double", description="A double of Stripe. No money moves.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--url", default="", help="how browsers reach it; by default http://localhost:PORT")
    parser.add_argument("--webhook", default="", help="where news go; nowhere by default")
    parser.add_argument("--key", default=os.environ.get("STRIPE_SECRET_KEY") or "sk_test_" + "double" * 5)
    parser.add_argument("--secret", default=os.environ.get("STRIPE_WEBHOOK_SECRET") or "whsec_" + "double" * 5)
    parser.add_argument(
        "--state", type=Path, default=None, help="a file that keeps everything; without it nothing stays"
    )
    parser.add_argument("--tax", type=float, default=0.0, help="percent, where automatic tax is asked for")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
