import assert from "node:assert/strict";
import test from "node:test";

import { bundled } from "./bundled.js";
import { wasi } from "./stand_ins.js";

const { sdk, within } = await bundled();
const { Response, env, fetch, log, serve, table } = sdk;

const text = new TextEncoder();
const bytes = (value) => text.encode(value);

/** An error as the engine throws it for the error of a WASI function. */
const wasiError = (payload) => Object.assign(new Error("wasi"), { payload });

function inputOf(chunks) {
  const left = [...chunks];
  return {
    blockingRead() {
      if (left.length === 0) throw wasiError({ tag: "closed" });
      return left.shift();
    },
    [Symbol.dispose]() {},
  };
}

function outputTo(chunks) {
  return { blockingWriteAndFlush: (chunk) => void chunks.push(Buffer.from(chunk).toString()), [Symbol.dispose]() {} };
}

class Fields {
  constructor(list) {
    this.list = list;
  }
  static fromList(list) {
    return new Fields(list);
  }
  entries() {
    return this.list;
  }
  plain() {
    return Object.fromEntries(this.list.map(([name, value]) => [name, Buffer.from(value).toString()]));
  }
}

class Outgoing {
  chunks = [];
  constructor(fields) {
    this.fields = fields;
  }
  setStatusCode(status) {
    this.status = status;
  }
  setMethod = (method) => (this.method = method.tag);
  setScheme = (scheme) => (this.scheme = scheme.tag);
  setAuthority = (authority) => (this.authority = authority);
  setPathWithQuery = (path) => (this.path = path);
  body() {
    return { write: () => outputTo(this.chunks) };
  }
}

const logged = [];
Object.assign(wasi["cli/stdout"], { getStdout: () => outputTo(logged) });
Object.assign(wasi["cli/stderr"], { getStderr: () => outputTo(logged) });
Object.assign(wasi["cli/environment"], { getEnvironment: () => [["GREETING", "Hi"]] });
Object.assign(wasi["http/types"], {
  Fields,
  OutgoingResponse: Outgoing,
  OutgoingRequest: Outgoing,
  OutgoingBody: { finish() {} },
  ResponseOutparam: { set: (out, { val }) => void (out.response = val) },
});

function call(handlers, { method = "get", path = "/", headers = [], body = [] } = {}) {
  const out = {};
  logged.length = 0;
  const request = {
    method: () => ({ tag: method }),
    scheme: () => ({ tag: "HTTP" }),
    authority: () => "localhost",
    pathWithQuery: () => path,
    headers: () => new Fields(headers.map(([name, value]) => [name, bytes(value)])),
    consume: () => ({ stream: () => inputOf(body) }),
  };
  within(() => serve(handlers).handle(request, out));
  const { status, fields, chunks } = out.response;
  return { status, headers: fields.plain(), chunks };
}

test("what a handler returns becomes a response", () => {
  for (const [handler, expected] of [
    [() => "hi", [200, ["hi"], "text/plain; charset=utf-8"]],
    [() => undefined, [200, [], undefined]],
    [() => Response.json({ a: 1 }, { status: 201 }), [201, ['{"a":1}'], "application/json"]],
    [() => new Response(bytes("x"), { headers: { "Content-Type": "image/png" } }), [200, ["x"], "image/png"]],
    [() => [`${"a"}`, "b"][Symbol.iterator](), [200, ["a", "b"], undefined]],
  ]) {
    const { status, headers, chunks } = call(handler);
    assert.deepEqual([status, chunks, headers["content-type"]], expected);
  }
  assert.deepEqual(call(() => "hi").headers["content-length"], "2");
  assert.deepEqual(call(() => "hi", { method: "head" }).chunks, []);
  assert.deepEqual(call(() => "x".repeat(9000)).chunks.map((chunk) => chunk.length), [4096, 4096, 808]);
});

test("a request has its parts", () => {
  const headers = [["mu-path-name", "J%C3%BCrg"], ["mu-handler", "b"], ["x-request-id", "7"], ["A", "1"], ["a", "2"]];
  const seen = {};
  call(
    { a: () => "", b: (request) => void Object.assign(seen, { request }) },
    { method: "post", path: "/p/q?x=1&y=a%20b+c&x=2&z", headers, body: [bytes("{"), bytes("}")] },
  );
  const { request } = seen;
  assert.deepEqual([request.method, request.path, request.handler, request.id], ["POST", "/p/q", "b", "7"]);
  assert.deepEqual(request.query, { x: "2", y: "a b c", z: "" });
  assert.deepEqual(request.params, { name: "Jürg" });
  assert.deepEqual([request.headers.get("A"), request.headers.getAll("a")], ["1, 2", ["1", "2"]]);
});

test("what a handler throws is logged and not told", () => {
  for (const [handlers, reason] of [
    [() => { throw new Error("no tea"); }, /no tea/],
    [{ a: () => "", b: () => "" }, /no handler is named undefined; there are: a, b/],
  ]) {
    const { status, chunks } = call(handlers);
    assert.deepEqual([status, JSON.parse(chunks.join("")).code], [500, "internal"]);
    assert.match(logged.join(""), reason);
  }
});

test("log lines and the environment", () => {
  call(() => log.info("a", { b: 1 }, env.GREETING, "NONE" in env, Object.keys(env)));
  assert.deepEqual(logged, ['a {"b":1} Hi false ["GREETING"]\n']);
});

test("a table reads, writes, counts and lists", () => {
  const values = new Map();
  const bucket = {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => void values.set(key, value),
    delete: (key) => void values.delete(key),
    exists: (key) => values.has(key),
    listKeys: (cursor) => ({ keys: [[...values.keys()][cursor ?? 0]], cursor: (cursor ?? 0) + 1 < values.size ? 1 : null }),
  };
  wasi["keyvalue/store"].open = (name) => {
    if (name !== "visits") throw wasiError({ tag: "no-such-store" });
    return bucket;
  };
  wasi["keyvalue/atomics"].increment = (_, key, delta) => `${key}+${delta}`;
  const visits = table("visits");
  visits.set("a", 1);
  visits.set("b", bytes("x"));
  assert.deepEqual([visits.get("a"), visits.get("c"), visits.bytes("b")], ["1", null, bytes("x")]);
  assert.deepEqual([[...visits.keys()], visits.increment("a"), visits.exists("c")], [["a", "b"], "a+1", false]);
  visits.delete("a");
  assert.equal(visits.exists("a"), false);
  assert.throws(() => table("other").get("a"), /reading table other: mu.yaml has no table named other/);
});

test("fetch sends a request and reads the response", () => {
  const sent = [];
  let answer = {
    tag: "ok",
    val: {
      tag: "ok",
      val: {
        status: () => 203,
        headers: () => new Fields([["a", bytes("b")]]),
        consume: () => ({ stream: () => inputOf([bytes("po"), bytes("ng")]) }),
      },
    },
  };
  wasi["http/outgoing-handler"].handle = (request) => {
    sent.push(request);
    return { subscribe: () => ({ block() {}, [Symbol.dispose]() {} }), get: () => answer };
  };
  const proxy = (url) => (request) =>
    fetch(url, { method: "post", body: "ping" }).then((response) =>
      response.text().then((body) => `${response.status} ${response.headers.get("a")} ${body}`),
    );
  assert.deepEqual(call(proxy("https://x:1/p?q#f")).chunks, ["203 b pong"]);
  const [{ method, scheme, authority, path, chunks, fields }] = sent;
  assert.deepEqual([method, scheme, authority, path, chunks], ["post", "HTTPS", "x:1", "/p?q", ["ping"]]);
  assert.deepEqual(fields.plain(), { "content-length": "4" });

  answer = { tag: "ok", val: { tag: "err", val: { tag: "connection-refused" } } };
  assert.equal(call(proxy("http://x")).status, 500);
  assert.match(logged.join(""), /fetching http:\/\/x: connection-refused/);
  assert.equal(call(proxy("ftp://x")).status, 500);
  assert.match(logged.join(""), /has to begin with http/);
});
