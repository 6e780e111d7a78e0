/** Lets the SDK be imported by Node.js: what a component would import becomes stand-ins, which tests may fill. */

import { register } from "node:module";

/** The stand-ins, by interface: `wasi["cli/environment"]`. */
export const wasi = (globalThis.wasiStandIns = {
  "cli/environment": {},
  "cli/stderr": {},
  "cli/stdout": {},
  "clocks/monotonic-clock": {},
  "http/outgoing-handler": {},
  "http/types": {},
  "keyvalue/atomics": {},
  "keyvalue/store": {},
  "random/random": {},
});

register("./hooks.js", import.meta.url);
