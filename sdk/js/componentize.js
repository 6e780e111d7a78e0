#!/usr/bin/env node
/**
 * Makes a component of a function's entry file: `node componentize.js ENTRY OUTPUT`. It uses the packages `esbuild`
 * and `componentize-qjs`, which the function has to have among its own.
 *
 * While componentize-qjs runs a module to take its snapshot, it lends real streams, but replaces `wasi:http`, whose types
 * are made of streams, with stand-ins that do not fit them. So the SDK imports the same interfaces from a namespace
 * `host:`, which the tool has never heard of and stands in for as a whole; here the names are set right afterwards.
 */

import { mkdtemp, mkdir, readFile, readdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [STAND_IN, REAL] = ["host:", "wasi:"];
const WIT = fileURLToPath(new URL("../wit", import.meta.url));
const SDK = fileURLToPath(new URL(".", import.meta.url));

/** Ids of a component's sections. */
const IMPORTS = 10;
const EXPORTS = 11;

if (await isRun()) await main(...process.argv.slice(2));

/** Whether this file is run, and not imported. It may be run by way of a link. */
async function isRun() {
  return process.argv[1] !== undefined && (await realpath(process.argv[1])) === fileURLToPath(import.meta.url);
}

async function main(entry, output) {
  if (!output) {
    console.error("usage: componentize.js ENTRY OUTPUT");
    process.exit(2);
  }
  const scratch = await mkdtemp(path.join(tmpdir(), "mu-componentize-"));
  try {
    const bytes = await build(await realpath(entry), scratch);
    await mkdir(path.dirname(path.resolve(output)), { recursive: true });
    await writeFile(`${output}.new`, bytes);
    await rename(`${output}.new`, output);
  } catch (error) {
    // What esbuild finds, it has told.
    if (!error.errors) console.error(error.message);
    process.exitCode = 1;
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function build(entryPath, scratchFolder) {
  const { componentize } = await tool("componentize-qjs", entryPath);
  const { component } = await componentize({
    witPath: await standInWit(scratchFolder),
    jsSource: await bundle(entryPath),
    sync: true,
  });
  return withRealNames(component);
}

/** One module of the entry file and all that it imports. TypeScript and JSON may be among it. */
export async function bundle(entryPath) {
  const esbuild = await tool("esbuild", entryPath);
  const { outputFiles } = await esbuild.build({
    entryPoints: [entryPath],
    absWorkingDir: path.dirname(entryPath),
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import"],
    external: [`${STAND_IN}*`],
    inject: [path.join(SDK, "src/event_loop.js")],
    // Compiled to generators; src/event_loop.js says why.
    supported: { "async-await": false, "async-generator": false, "for-await": false },
    charset: "utf8",
    logLevel: "warning",
  });
  return outputFiles[0].text;
}

/** A package of the function's, found from its entry file as an import there would be. */
async function tool(name, entryPath) {
  let found;
  try {
    found = createRequire(entryPath).resolve(name);
  } catch {
    throw new Error(`the package ${name} is not installed: \`npm install --save-dev ${name}\``);
  }
  return import(pathToFileURL(found));
}

/** A copy of the WIT texts with the namespace that stands in. */
async function standInWit(folder) {
  for (const name of await readdir(WIT, { recursive: true })) {
    if (!name.endsWith(".wit")) continue;
    const text = await readFile(path.join(WIT, name), "utf8");
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text.replaceAll(REAL, STAND_IN));
  }
  return folder;
}

/** The component with the real namespace in its imports and exports. Both names are equally long, so nothing moves. */
function withRealNames(component) {
  const bytes = Buffer.from(component);
  let at = 8;
  while (at < bytes.length) {
    const id = bytes[at];
    const [size, start] = unsigned(bytes, at + 1);
    if (id === IMPORTS || id === EXPORTS) {
      const section = bytes.subarray(start, start + size);
      for (let found; (found = section.indexOf(STAND_IN)) >= 0; ) section.write(REAL, found);
    }
    at = start + size;
  }
  return bytes;
}

/** The LEB128 integer at `at`, and where it ends. */
function unsigned(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}
