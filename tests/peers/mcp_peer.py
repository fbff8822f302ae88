"""The official Python client of MCP, driven by a test: it starts `$HF2MS_BIN mcp`, says what it found as one JSON object, and exits with 0.

    mcp_peer.py --mode legacy|auto|2026-07-28 migrate --source REPO [--answer accept|decline|cancel]
    mcp_peer.py --mode legacy|auto|2026-07-28 cancel --source REPO

The client checks each result against the tool's output schema, and fails where it does not fit. A call that fails is `{"error"}` and exit
code 1.
"""

import argparse
import json
import os
import sys

import anyio
from mcp import types
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

ENDED = {"verified", "unproven", "failed", "refused", "cancelled", "interrupted"}


class Peer:
    def __init__(self, client):
        self.client = client
        self.progress = []

    async def call(self, tool, **arguments):
        result = await self.client.call_tool(tool, arguments, progress_callback=self.told)
        if result.is_error or result.structured_content is None:
            raise RuntimeError(f"{tool}: {[block.model_dump() for block in result.content]}")
        return result.structured_content

    async def told(self, progress, total, message):
        self.progress.append({"progress": progress, "total": total, "message": message})

    async def planned(self, source):
        ready = await self.call("validate_tokens")
        if not ready["ready"]:
            raise RuntimeError(f"not ready: {ready}")
        return (await self.call("plan_migration", source=source))["plan_id"]


async def migrate(peer, source):
    started = await peer.call("migrate", plan_id=await peer.planned(source))
    if started["state"] != "running":
        return {"started": started}
    for _ in range(20):
        status = await peer.call("status", migration_id=started["migration_id"], wait_seconds=30)
        if status["migration"]["state"] in ENDED:
            break
    uri = f"migration://{started['migration_id']}"
    document = json.loads((await peer.client.read_resource(uri)).contents[0].text)
    return {"started": started, "status": status, "document": document["report"]["state"]}


async def cancel(peer, source):
    started = await peer.call("migrate", plan_id=await peer.planned(source))
    given_up = True
    # who gives up waiting says so to the server, and the migration goes on
    with anyio.move_on_after(2):
        await peer.call("status", migration_id=started["migration_id"], wait_seconds=60)
        given_up = False
    after = await peer.call("status", migration_id=started["migration_id"])
    cancelled = await peer.call("cancel_migration", migration_id=started["migration_id"])
    return {"given_up": given_up, "after": after, "cancelled": cancelled}


async def run(arguments):
    asked = []

    async def answer(_context, params):
        asked.append(params.model_dump(mode="json", by_alias=True))
        return types.ElicitResult(action=arguments.answer, content={} if arguments.answer == "accept" else None)

    server = StdioServerParameters(command=os.environ["HF2MS_BIN"], args=["mcp"], env=dict(os.environ))
    callback = answer if arguments.answer else None
    async with Client(stdio_client(server), mode=arguments.mode, elicitation_callback=callback) as client:
        tools = (await client.list_tools()).tools
        peer = Peer(client)
        done = await {"migrate": migrate, "cancel": cancel}[arguments.what](peer, arguments.source)
        schemas = all(tool.output_schema and tool.input_schema for tool in tools)
        found = {"version": client.protocol_version, "tools": [tool.name for tool in tools], "schemas": schemas}
        return {**found, "progress": peer.progress, "asked": asked, **done}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", required=True)
    parser.add_argument("--answer", choices=["accept", "decline", "cancel"])
    parser.add_argument("what", choices=["migrate", "cancel"])
    parser.add_argument("--source", required=True)
    arguments = parser.parse_args()
    try:
        print(json.dumps(anyio.run(run, arguments)))
    except BaseException as error:  # noqa: BLE001 - a group of errors is one too
        leaves = [error]
        while any(isinstance(leaf, BaseExceptionGroup) for leaf in leaves):
            leaves = [inner for leaf in leaves for inner in (getattr(leaf, "exceptions", None) or [leaf])]
        print(json.dumps({"error": "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in leaves)}))
        sys.exit(1)


main()
