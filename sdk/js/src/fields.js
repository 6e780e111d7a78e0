/** Headers, between WASI (a list of names and bytes) and `Headers`. */

import types from "host:http/types@0.2.0";
import { Headers } from "./http.js";
import { decode, encode } from "./text.js";

export function fromFields(fields) {
  return new Headers(fields.entries().map(([name, value]) => [name, decode(value)]));
}

export function toFields(headers) {
  return types.Fields.fromList([...headers].map(([name, value]) => [name, encode(value)]));
}
