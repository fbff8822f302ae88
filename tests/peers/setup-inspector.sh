#!/bin/sh
# Installs the MCP Inspector, as its lock file pins it. Running it again is quick and changes nothing.
#
#   tests/peers/setup-inspector.sh DIR
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)/inspector
into=$1
stamp=$into/peers.lock

if cmp -s "$here/package-lock.json" "$stamp"; then
    exit 0
fi

mkdir -p "$into"
cp "$here/package.json" "$here/package-lock.json" "$into/"
(cd "$into" && npm ci --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error)
# The stamp comes last: an interrupted set-up is done again.
cp "$here/package-lock.json" "$stamp"
