#!/bin/sh
# Makes a virtual environment with the official Python client of MCP. Running it again is quick and changes nothing.
#
#   tests/peers/setup-mcp.sh DIR
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
venv=$1
stamp=$venv/peers.requirements

if [ -x "$venv/bin/python" ] && cmp -s "$here/requirements-mcp.txt" "$stamp"; then
    exit 0
fi

python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements-mcp.txt"
# The stamp comes last: an interrupted set-up is done again.
cp "$here/requirements-mcp.txt" "$stamp"
