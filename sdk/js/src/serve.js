/** From `wasi:http` to handlers, and back. */

import types from "host:http/types@0.2.0";
import { settle } from "./event_loop.js";
import { fromFields, toFields } from "./fields.js";
import { Response, incoming } from "./http.js";
import { log } from "./log.js";
import { fromMethod } from "./method.js";
import { wholeBytes, writeBody } from "./streams.js";

/** Makes the `incomingHandler` that a component exports, of one handler or of several by their names. */
export function serve(handlers) {
  return {
    handle(message, out) {
      const request = requestOf(message);
      settle(send(outcome(handlers, request), out, request.method === "HEAD"));
    },
  };
}

/** The handler's response, or the one that stands for its failure. */
function outcome(handlers, request) {
  try {
    return settle(respond(handlers, request));
  } catch (error) {
    log.error(error);
    // In the shape of mu's own errors; what went wrong is for the log alone.
    return Response.json({ code: "internal", message: "the function failed; its log says why" }, { status: 500 });
  }
}

async function respond(handlers, request) {
  const handler = typeof handlers === "function" ? handlers : choose(handlers, request.handler);
  const result = await handler(request);
  return result instanceof Response ? result : new Response(result);
}

function choose(handlers, name) {
  const names = Object.keys(handlers);
  // Outside of mu nobody names a handler; a single one is meant then.
  const chosen = name ?? (names.length === 1 ? names[0] : undefined);
  if (Object.hasOwn(handlers, chosen)) return handlers[chosen];
  throw new Error(`no handler is named ${chosen}; there are: ${names.join(", ")}`);
}

function requestOf(message) {
  const headers = fromFields(message.headers());
  const scheme = message.scheme()?.tag === "HTTPS" ? "https" : "http";
  const url = `${scheme}://${message.authority() ?? "localhost"}${message.pathWithQuery() ?? "/"}`;
  return incoming(url, fromMethod(message.method()), headers, message.consume());
}

async function send(response, out, isHeadOnly) {
  const whole = wholeBytes(response.body);
  if (whole && !isHeadOnly) response.headers.set("content-length", whole.length);
  const message = new types.OutgoingResponse(toFields(response.headers));
  message.setStatusCode(response.status);
  const body = message.body();
  types.ResponseOutparam.set(out, { tag: "ok", val: message });
  await writeBody(body, isHeadOnly ? null : (whole ?? response.body));
}
