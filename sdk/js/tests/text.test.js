import assert from "node:assert/strict";
import test from "node:test";

import { TextDecoder, decode, encode } from "../src/text.js";

test("text goes to UTF-8 and back as the platform's own coders take it", () => {
  const ours = { encode, decode };
  const theirs = { encode: (text) => new globalThis.TextEncoder().encode(text) };
  for (const text of ["", "plain", "añ€😀", "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}", "\ud800x\udc00"]) {
    const bytes = ours.encode(text);
    assert.deepEqual(bytes, theirs.encode(text));
    assert.equal(ours.decode(bytes), text.toWellFormed());
  }
  const long = "aé€😀".repeat(5000);
  assert.equal(decode(encode(long)), long);
});

test("bytes that are not UTF-8 are replaced as the platform's own decoder replaces them", () => {
  const theirs = new globalThis.TextDecoder("utf-8", { ignoreBOM: true });
  const starts = [0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff];
  for (const first of starts) {
    for (const second of starts) {
      for (const third of starts) {
        const bytes = Uint8Array.of(first, second, third, 0x80, 0x41);
        assert.equal(decode(bytes), theirs.decode(bytes), [...bytes].join(" "));
      }
    }
  }
});

test("a decoder skips the mark at the beginning, and can be strict", () => {
  assert.equal(new TextDecoder().decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41)), "A");
  assert.throws(() => new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.of(0x41, 0xff)), TypeError);
  assert.throws(() => new TextDecoder("latin1"), RangeError);
});
