#!/bin/sh
# Installs the official JavaScript client of Hugging Face, as its lock file pins it. Running it again is quick and changes nothing.
#
#   tests/peers/setup-js.sh DIR
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)/js
into=$1
stamp=$into/peers.lock

if cmp -s "$here/package-lock.json" "$stamp" && cmp -s "$here/peer.mjs" "$into/peer.mjs"; then
    exit 0
fi

mkdir -p "$into"
# beside the modules, because that is where node looks for them
cp "$here/package.json" "$here/package-lock.json" "$here/peer.mjs" "$into/"
(cd "$into" && npm ci --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error)
# The stamp comes last: an interrupted set-up is done again.
cp "$here/package-lock.json" "$stamp"
