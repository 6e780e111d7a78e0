/** Requests to other servers, by way of `wasi:http/outgoing-handler`. */

import outgoing from "host:http/outgoing-handler@0.2.0";
import types from "host:http/types@0.2.0";
import { fromFields, toFields } from "./fields.js";
import { Request, Response } from "./http.js";
import { toMethod } from "./method.js";
import { readChunks, wholeBytes, writeBody } from "./streams.js";

const URL_PARTS = /^(https?):\/\/([^/?#]+)([^#]*)/i;

/** Sends a request and waits for the response's head; its body is read when it is asked for. */
export async function fetch(target, options) {
  const request = target instanceof Request && !options ? target : new Request(target.url ?? target, options);
  const parts = URL_PARTS.exec(request.url);
  if (!parts) throw new TypeError(`fetching ${request.url}: the URL has to begin with http:// or https://`);
  const [, scheme, authority, path] = parts;

  const whole = wholeBytes(request.body);
  if (whole?.length > 0) request.headers.set("content-length", whole.length);
  const message = new types.OutgoingRequest(toFields(request.headers));
  message.setMethod(toMethod(request.method));
  message.setScheme({ tag: scheme.toUpperCase() });
  message.setAuthority(authority);
  message.setPathWithQuery(path.startsWith("/") ? path : `/${path}`);
  const body = message.body();
  try {
    const pending = outgoing.handle(message, null);
    await writeBody(body, whole ?? request.body);
    const response = wait(pending);
    const options = { status: response.status(), headers: fromFields(response.headers()) };
    return new Response(readChunks(response.consume()), options);
  } catch (error) {
    throw new TypeError(`fetching ${request.url}: ${reason(error)}`);
  }
}

function wait(pending) {
  const ready = pending.subscribe();
  ready.block();
  ready[Symbol.dispose]();
  const { tag, val } = pending.get();
  if (tag === "err") throw new Error("the response was taken already");
  if (val.tag === "err") throw Object.assign(new Error(), { payload: val.val });
  return val.val;
}

function reason(error) {
  const { tag, val } = error.payload ?? {};
  if (!tag) return error.message;
  return typeof val === "string" ? val : tag;
}
