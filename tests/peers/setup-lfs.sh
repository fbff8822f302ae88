#!/bin/sh
# Makes a virtual environment with an LFS server that is not ours, giftless.
#
#   tests/peers/setup-lfs.sh DIR
set -eu
exec "$(dirname -- "$0")/venv.sh" "$1" requirements-lfs.txt
