#!/bin/sh
# Makes a virtual environment with the rivals. Running it again is quick and changes nothing.
#
#   benches/rivals/setup.sh DIR
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
venv=$1
stamp=$venv/rivals.requirements

wanted=$(cat "$here/requirements.txt" "$here/../../tests/peers/requirements.txt")
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
# The stamp comes last: an interrupted set-up is done again.
printf '%s\n' "$wanted" > "$stamp"
