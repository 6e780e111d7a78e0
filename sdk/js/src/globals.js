/** Names of the web platform that the engine lacks and that packages written for browsers or Node expect. */

import { fetch } from "./fetch.js";
import { Headers, Request, Response } from "./http.js";
import { console } from "./log.js";
import { crypto } from "./random.js";
import { TextDecoder, TextEncoder } from "./text.js";

const names = { console, crypto, fetch, Headers, Request, Response, TextDecoder, TextEncoder };

for (const [name, value] of Object.entries(names)) {
  // An engine's own is better than ours.
  globalThis[name] ??= value;
}
