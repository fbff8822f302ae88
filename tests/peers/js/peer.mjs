// The official JavaScript client of Hugging Face as a counterpart in tests.
//
//   node peer.mjs upload   --type model|dataset --repo NS/NAME --folder DIR
//   node peer.mjs download --type model|dataset --repo NS/NAME --to DIR
//
// The environment names the server: HF_ENDPOINT, HF_TOKEN. Prints one JSON object on stdout: what was listed or committed. A command that
// fails prints {"error", "kind"} and exits with 1; one that takes longer than five minutes exits with 124.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { commit, createRepo, downloadFile, listFiles } from "@huggingface/hub";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { type: { type: "string", default: "model" }, repo: { type: "string" }, folder: { type: "string" }, to: { type: "string" } },
});
const hub = { accessToken: process.env.HF_TOKEN, hubUrl: process.env.HF_ENDPOINT };
const repo = { type: values.type, name: values.repo };

// Creates the repository, private, and commits a folder into it: small files inline, large ones over LFS.
async function upload() {
  const root = values.folder;
  await createRepo({ ...hub, repo, private: true });
  const operations = [];
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    operations.push({ operation: "addOrUpdate", path: relative(root, path), content: pathToFileURL(path) });
  }
  // the client's own switch: without it, it would ask for Xet first
  const done = await commit({ ...hub, repo, operations, title: "Upload by @huggingface/hub", useXet: false });
  return { commit: done.commit.oid, files: operations.length };
}

// Lists a repository to its end and downloads every file of it. Gives what the listing says beside what arrived.
async function download() {
  const files = {};
  for await (const entry of listFiles({ ...hub, repo, recursive: true })) {
    if (entry.type !== "file") continue;
    const target = join(values.to, entry.path);
    await mkdir(dirname(target), { recursive: true });
    // one byte of an empty file cannot be asked for, and that is how the client finds the size
    const blob = entry.size === 0 ? new Blob([]) : await downloadFile({ ...hub, repo, path: entry.path, xet: false });
    if (blob === null) throw new Error(`listed and not found: ${entry.path}`);
    const hash = createHash("sha256");
    const hashing = new Transform({
      transform(chunk, _, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(blob.stream()), hashing, createWriteStream(target));
    files[entry.path] = { listed: entry.size, size: (await stat(target)).size, sha256: hash.digest("hex"), lfs: entry.lfs?.oid ?? null };
  }
  return { files };
}

const commands = { upload, download };
setTimeout(() => process.exit(124), 300_000).unref();
try {
  const command = commands[positionals[0]];
  if (!command) throw new Error(`no such command: ${positionals[0]}`);
  console.log(JSON.stringify(await command()));
} catch (error) {
  console.error(error);
  console.log(JSON.stringify({ error: String(error.message ?? error), kind: error.name ?? "Error" }));
  process.exitCode = 1;
}
