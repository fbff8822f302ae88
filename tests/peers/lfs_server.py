"""An LFS server that is not ours: giftless, keeping objects below a folder, for anybody, on loopback. Prints its port; ends by itself.

    DIR/bin/python tests/peers/lfs_server.py FOLDER [--seconds N]
"""

import argparse
import secrets
import signal
import warnings

from werkzeug.serving import make_server

# that it still serves its older addresses beside those of git-lfs
warnings.simplefilter("ignore", FutureWarning)

from giftless.app import init_app  # noqa: E402


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--seconds", type=int, default=300)
    arguments = arguments.parse_args()
    signal.alarm(arguments.seconds)
    store = {"storage_class": "giftless.storage.local_storage:LocalStorage", "storage_options": {"path": arguments.folder}}
    app = init_app(
        additional_config={
            "AUTH_PROVIDERS": ["giftless.auth.allow_anon:read_write"],
            "TRANSFER_ADAPTERS": {"basic": {"factory": "giftless.transfer.basic_streaming:factory", "options": store}},
            "PRE_AUTHORIZED_ACTION_PROVIDER": {"options": {"private_key": secrets.token_hex(32), "default_lifetime": 600}},
        }
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.port, flush=True)
    server.serve_forever()


main()
