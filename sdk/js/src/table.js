/** Tables of muDB, by way of `wasi:keyvalue`. */

import atomics from "host:keyvalue/atomics@0.2.0-draft";
import store from "host:keyvalue/store@0.2.0-draft";
import { wholeBytes } from "./streams.js";
import { decode } from "./text.js";

/** The table with this name in mu.yaml. */
export function table(name) {
  return new Table(name);
}

class Table {
  #bucket;
  #name;

  constructor(name) {
    this.#name = name;
  }

  bytes(key) {
    const value = this.#do("reading", (bucket) => bucket.get(key));
    return value === null || value instanceof Uint8Array ? value : Uint8Array.from(value);
  }

  get(key) {
    const value = this.bytes(key);
    return value === null ? null : decode(value);
  }

  set(key, value) {
    const bytes = wholeBytes(typeof value === "number" ? String(value) : value);
    if (!bytes) throw new TypeError("the value of a key is text or bytes");
    this.#do("writing", (bucket) => bucket.set(key, bytes));
  }

  delete(key) {
    this.#do("deleting from", (bucket) => bucket.delete(key));
  }

  exists(key) {
    return this.#do("reading", (bucket) => bucket.exists(key));
  }

  increment(key, delta = 1) {
    return this.#do("counting in", (bucket) => atomics.increment(bucket, key, delta));
  }

  *keys() {
    let cursor = null;
    do {
      const page = this.#do("listing", (bucket) => bucket.listKeys(cursor));
      yield* page.keys;
      cursor = page.cursor;
    } while (cursor !== null);
  }

  #do(what, action) {
    try {
      this.#bucket ??= store.open(this.#name);
      return action(this.#bucket);
    } catch (error) {
      throw new Error(`${what} table ${this.#name}: ${reason(error, this.#name)}`);
    }
  }
}

function reason(error, name) {
  const { tag, val } = error.payload ?? {};
  if (tag === "no-such-store") return `mu.yaml has no table named ${name}`;
  if (tag === "access-denied") return "access is denied";
  return val ?? String(error);
}
