/** Requests and responses, in the shape that `fetch` made familiar, without the parts a function has no use for. */

import { readChunks, wholeBytes, concatenate } from "./streams.js";
import { decode } from "./text.js";

/** Names in lower case, each with its values in order. */
export class Headers {
  #values = new Map();

  constructor(entries = []) {
    const pairs = entries[Symbol.iterator] ? entries : Object.entries(entries);
    for (const [name, value] of pairs) this.append(name, value);
  }

  get(name) {
    return this.getAll(name)?.join(", ") ?? null;
  }

  getAll(name) {
    return this.#values.get(name.toLowerCase());
  }

  has(name) {
    return this.#values.has(name.toLowerCase());
  }

  set(name, value) {
    this.#values.set(name.toLowerCase(), [String(value)]);
  }

  append(name, value) {
    const values = this.#values.get(name.toLowerCase());
    if (values) values.push(String(value));
    else this.set(name, value);
  }

  delete(name) {
    this.#values.delete(name.toLowerCase());
  }

  *[Symbol.iterator]() {
    for (const [name, values] of this.#values) for (const value of values) yield [name, value];
  }
}

/** A body that can be read once: as text, as JSON, as bytes, or chunk by chunk. */
class Message {
  #body;
  headers;

  constructor(body, headers) {
    this.#body = body;
    this.headers = headers instanceof Headers ? headers : new Headers(headers);
  }

  /** The body as it was given: text, bytes, or an iterable of them. */
  get body() {
    return this.#body;
  }

  async bytes() {
    const whole = wholeBytes(this.#body);
    if (whole) return whole;
    const chunks = [];
    for await (const chunk of this.#body) chunks.push(wholeBytes(chunk));
    this.#body = concatenate(chunks);
    return this.#body;
  }

  async text() {
    return decode(await this.bytes());
  }

  async json() {
    return JSON.parse(await this.text());
  }
}

export class Request extends Message {
  constructor(url, { method = "GET", headers, body = null } = {}) {
    super(body, headers);
    this.url = String(url);
    this.method = method.toUpperCase();
  }

  /** The path of the URL, relative to the gateway. */
  get path() {
    return this.url.replace(/^[a-z]+:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "") || "/";
  }

  /** The query's values by name; of a repeated name, the last. */
  get query() {
    const text = /\?([^#]*)/.exec(this.url)?.[1] ?? "";
    const pairs = text.split("&").filter(Boolean).map((pair) => {
      const [name, ...value] = pair.split("=");
      return [name, value.join("=")].map((part) => percentDecode(part.replaceAll("+", " ")));
    });
    return Object.fromEntries(pairs);
  }

  /** What stood in the places of the route's `{name}`s. */
  get params() {
    const prefix = "mu-path-";
    const pairs = [...this.headers].filter(([name]) => name.startsWith(prefix));
    return Object.fromEntries(pairs.map(([name, value]) => [name.slice(prefix.length), percentDecode(value)]));
  }

  /** The name of the handler that the route leads to. */
  get handler() {
    return this.headers.get("mu-handler");
  }

  /** The id of the invocation, as in its log lines. */
  get id() {
    return this.headers.get("x-request-id");
  }
}

export class Response extends Message {
  constructor(body = null, { status = 200, headers } = {}) {
    super(body, headers);
    this.status = status;
    if (typeof body === "string" && !this.headers.has("content-type")) {
      this.headers.set("content-type", "text/plain; charset=utf-8");
    }
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  static json(value, { status = 200, headers } = {}) {
    const response = new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json" } });
    for (const [name, text] of new Headers(headers)) response.headers.set(name, text);
    return response;
  }
}

/** A request whose body is read when it is asked for. */
export function incoming(url, method, headers, body) {
  return new Request(url, { method, headers, body: readChunks(body) });
}

function percentDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray `%` stands for itself.
    return text;
  }
}
