/** What a function of mu needs in JavaScript. `index.d.ts` beside this folder documents all of it. */

import "./event_loop.js";
import "./globals.js";

export { env } from "./env.js";
export { fetch } from "./fetch.js";
export { Headers, Request, Response } from "./http.js";
export { log } from "./log.js";
export { serve } from "./serve.js";
export { table } from "./table.js";
