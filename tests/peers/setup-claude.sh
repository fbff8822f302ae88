#!/bin/sh
# Installs Claude Code, as its lock file pins it. Running it again is quick and changes nothing.
#
#   tests/peers/setup-claude.sh DIR
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)/claude
into=$1
stamp=$into/peers.lock

if cmp -s "$here/package-lock.json" "$stamp"; then
    exit 0
fi

mkdir -p "$into"
cp "$here/package.json" "$here/package-lock.json" "$into/"
(cd "$into" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
# the program itself comes for this machine alone, in a package beside the one that would put it into its place by a script
(cd "$into" && for program in node_modules/@anthropic-ai/claude-code-*/claude; do ln -sf "$program" claude; done)
# The stamp comes last: an interrupted set-up is done again.
cp "$here/package-lock.json" "$stamp"
