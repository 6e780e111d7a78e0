/** Log lines: what is written to stdout and stderr becomes the log of the invocation. */

import stderr from "host:cli/stderr@0.2.0";
import stdout from "host:cli/stdout@0.2.0";
import { encode } from "./text.js";

/** The most bytes that one blocking write of WASI takes. */
const WRITE_BYTES_MAX = 4096;

const toStdout = (...values) => write(stdout.getStdout(), values);
const toStderr = (...values) => write(stderr.getStderr(), values);

export const log = Object.freeze({ debug: toStdout, info: toStdout, warn: toStderr, error: toStderr });

export const console = { ...log, log: toStdout, trace: toStderr };

function write(stream, values) {
  const bytes = encode(`${values.map(format).join(" ")}\n`);
  try {
    for (let at = 0; at < bytes.length; at += WRITE_BYTES_MAX) {
      stream.blockingWriteAndFlush(bytes.subarray(at, at + WRITE_BYTES_MAX));
    }
  } finally {
    stream[Symbol.dispose]();
  }
}

function format(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value}\n${value.stack ?? ""}`.trimEnd();
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
