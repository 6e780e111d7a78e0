/** The SDK as `componentize.js` bundles it, so that its `async` functions use its own promises. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { bundle } from "../componentize.js";

const globals = () => ({ Promise, queueMicrotask, setTimeout, setInterval, clearTimeout, clearInterval });

/** Answers the SDK's module, and `within`, which does something while the SDK's globals are in place. */
export async function bundled() {
  const folder = await mkdtemp(path.join(tmpdir(), "mu-sdk-"));
  const file = path.join(folder, "sdk.mjs");
  const platforms = globals();
  const { random } = Math;
  try {
    await writeFile(file, await bundle(new URL("../src/index.js", import.meta.url).pathname));
    const sdk = await import(pathToFileURL(file));
    const ours = globals();
    const within = (action) => {
      Object.assign(globalThis, ours);
      try {
        return action();
      } finally {
        Object.assign(globalThis, platforms);
      }
    };
    return { sdk, within };
  } finally {
    // The test runner goes on with the platform's.
    Object.assign(globalThis, platforms);
    Math.random = random;
    await rm(folder, { recursive: true });
  }
}
