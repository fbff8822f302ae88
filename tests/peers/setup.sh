#!/bin/sh
# Makes a virtual environment with the official clients.
#
#   tests/peers/setup.sh [DIR]      DIR defaults to .venv at the top of the repository
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
exec "$here/venv.sh" "${1:-$here/../../.venv}" +requirements.txt requirements-model.txt
