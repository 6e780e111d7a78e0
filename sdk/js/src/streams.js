/** Bodies, between the streams of WASI and the values of JavaScript. */

import types from "host:http/types@0.2.0";
import { encode } from "./text.js";

/** How much is read at once. */
const CHUNK_BYTES = 64 * 1024;

/** The most bytes that one blocking write of WASI takes. */
const WRITE_BYTES_MAX = 4096;

/** The chunks of an incoming body, read as they are asked for. */
export function* readChunks(body) {
  const stream = body.stream();
  try {
    for (;;) {
      let chunk;
      try {
        chunk = stream.blockingRead(CHUNK_BYTES);
      } catch (error) {
        if (error.payload?.tag === "closed") return;
        throw new Error("the body ended before it was whole");
      }
      if (chunk.length > 0) yield chunk instanceof Uint8Array ? chunk : Uint8Array.from(chunk);
    }
  } finally {
    stream[Symbol.dispose]();
  }
}

/** The bytes of a body that is whole, `undefined` for one that is still to come, chunk by chunk. */
export function wholeBytes(body) {
  if (body === null || body === undefined) return new Uint8Array();
  if (typeof body === "string") return encode(body);
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (body[Symbol.asyncIterator] || body[Symbol.iterator]) return undefined;
  throw new TypeError("a body is text, bytes, or an iterable of them");
}

/** Writes `body` and ends the outgoing body. Each chunk of an iterable is sent at once. */
export async function writeBody(outgoing, body) {
  const stream = outgoing.write();
  try {
    const whole = wholeBytes(body);
    if (whole) {
      writeAll(stream, whole);
    } else {
      for await (const chunk of body) writeAll(stream, wholeBytes(chunk));
    }
  } finally {
    stream[Symbol.dispose]();
  }
  types.OutgoingBody.finish(outgoing, null);
}

function writeAll(stream, bytes) {
  for (let at = 0; at < bytes.length; at += WRITE_BYTES_MAX) {
    stream.blockingWriteAndFlush(bytes.subarray(at, at + WRITE_BYTES_MAX));
  }
}

/** Joins chunks of bytes. */
export function concatenate(chunks) {
  const all = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
