import assert from "node:assert/strict";
import test from "node:test";

import { wasi } from "./stand_ins.js";

const platform = Math.random;
const { crypto } = await import("../src/random.js");
const { random } = Math;
Math.random = platform;

const drawing = (byte) => (wasi["random/random"].getRandomBytes = (count) => new Uint8Array(count).fill(byte));

test("numbers are drawn from the host, from 0 to below 1", () => {
  for (const [byte, expected] of [[0x00, 0], [0xff, 1 - 2 ** -53]]) {
    drawing(byte);
    assert.equal(random(), expected);
  }
});

test("bytes and ids are drawn from the host", () => {
  drawing(0xff);
  assert.equal(crypto.randomUUID(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
  drawing(0x00);
  assert.equal(crypto.randomUUID(), "00000000-0000-4000-8000-000000000000");
  drawing(0x07);
  assert.deepEqual(crypto.getRandomValues(new Uint16Array(2)), Uint16Array.of(0x0707, 0x0707));
  assert.throws(() => crypto.getRandomValues(new Uint8Array(65537)), RangeError);
});
