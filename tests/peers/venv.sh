#!/bin/sh
# Makes a virtual environment with exactly the packages that the files name, in which each is pinned. Running it again is quick and changes nothing.
#
#   tests/peers/venv.sh DIR FILE...      a file named `+NAME` is installed with what its packages depend on
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
venv=$1
shift
stamp=$venv/peers.requirements

wanted=$(for file in "$@"; do cat "$here/${file#+}"; done)
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

python3 -m venv "$venv"
for file in "$@"; do
    case $file in
        +*) "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/${file#+}" ;;
        *) "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/$file" ;;
    esac
done
# The stamp comes last: an interrupted set-up is done again.
printf '%s\n' "$wanted" > "$stamp"
