#!/bin/sh
# Makes a virtual environment with the official Python client of MCP.
#
#   tests/peers/setup-mcp.sh DIR
set -eu
exec "$(dirname -- "$0")/venv.sh" "$1" requirements-mcp.txt
