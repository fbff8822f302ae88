#!/bin/sh
# Installs the conformance suite of MCP and the node it needs, as the lock file pins them. Running it again is quick and changes nothing.
#
#   tests/peers/setup-conformance.sh DIR
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)/conformance
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
