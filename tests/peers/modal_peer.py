#!/usr/bin/env python3
"""The official Modal client as a test peer: one run of everything hf2ms does with sandboxes, one JSON object on stdout.

The environment decides which server is meant and whose token is used: ``MODAL_SERVER_URL``, ``MODAL_TOKEN_ID``,
``MODAL_TOKEN_SECRET``; ``MODAL_SANDBOX_V2=0`` chooses the first generation of sandboxes. ``HOME`` should be the caller's own.

A failure prints ``{"error": …, "kind": …}`` and exits with 1; running out of time exits with 124.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from pathlib import Path

SCRIPT = """#!/bin/sh
echo "secret has ${#PEER_SECRET} characters"
if [ "$1" = stay ]; then
    exec /bin/sleep 600
fi
number=0
while [ $number -lt 200 ]; do
    number=$((number + 1))
    echo "line $number of $(wc -c < "$2") bytes"
done
echo "a word on the side" >&2
exit 7
"""

# Twice what travels inside a call: it goes by blob.
PADDING = 8 << 20


def scratch(folder: Path) -> tuple[Path, Path]:
    script, payload = folder / "run.sh", folder / "payload.bin"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    payload.write_bytes(os.urandom(1 << 10) * (PADDING >> 10))
    return script, payload


def run(args: argparse.Namespace) -> dict:
    """Creates, reads, waits, lists by tag, looks up by name, terminates."""
    import modal

    script, payload = scratch(args.folder)
    app = modal.App.lookup("peer", create_if_missing=True)
    image = modal.Image.from_registry("debian:bookworm-slim")
    image = image.add_local_file(str(script), "/box/run.sh").add_local_file(str(payload), "/box/payload.bin")
    common = {
        "app": app,
        "image": image,
        "secrets": [modal.Secret.from_dict({"PEER_SECRET": args.secret, "PATH": "/usr/bin:/bin"})],
        "timeout": 120,
        "cpu": 1.0,
        "memory": 512,
    }

    staying = modal.Sandbox.create("/box/run.sh", "stay", name="peer-1", tags={"peer": "1", "kind": "staying"}, **common)
    greeting = next(iter(staying.stdout))
    listed = [found.object_id for found in modal.Sandbox.list(app_id=app.app_id, tags={"peer": "1"})]
    not_listed = [found.object_id for found in modal.Sandbox.list(app_id=app.app_id, tags={"peer": "2"})]
    by_name = modal.Sandbox.from_name("peer", "peer-1").object_id
    tags = modal.Sandbox.from_id(staying.object_id).get_tags()
    running = staying.poll()
    try:
        modal.Sandbox.create("/box/run.sh", "stay", name="peer-1", **common)
        twice = None
    except modal.exception.AlreadyExistsError as error:
        twice = type(error).__name__
    staying.terminate()
    staying.wait(raise_on_termination=False)

    ending = modal.Sandbox.create("/box/run.sh", "end", "/box/payload.bin", name="peer-1", **common)
    printed, aside = ending.stdout.read(), ending.stderr.read()
    ending.wait()
    after = [found.object_id for found in modal.Sandbox.list(app_id=app.app_id)]
    return {
        "staying": staying.object_id,
        "greeting": greeting,
        "listed": listed,
        "not_listed": not_listed,
        "by_name": by_name,
        "tags": tags,
        "running": running,
        "twice": twice,
        "terminated": staying.returncode,
        "ending": ending.object_id,
        "lines": printed.splitlines(),
        "aside": aside,
        "returncode": ending.returncode,
        "after": after,
    }


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="modal_peer.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--timeout", type=int, default=120, metavar="SECONDS")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="where its own files go")
    parser.add_argument("--secret", required=True, help="what the sandbox is to be given as PEER_SECRET")
    return parser.parse_args(argv)


def out_of_time(*_: object) -> None:
    os.write(2, b"modal_peer.py: out of time\n")
    # Not an exception: the client's own threads would keep the process alive.
    os._exit(124)


def main() -> int:
    args = parse(sys.argv[1:])
    # The client prints to stdout as it pleases; the one object that belongs there goes to the saved descriptor.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(args.timeout)
    try:
        answer, code = run(args), 0
    except Exception as error:  # the caller gets every failure as an object
        traceback.print_exc()
        answer, code = {"error": str(error), "kind": type(error).__name__}, 1
    print(json.dumps(answer), file=results, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
