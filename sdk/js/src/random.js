/**
 * Chance. The engine's own generator is of no use: its state is part of the snapshot that a component begins with, so
 * every instance would draw the same numbers.
 */

import wasi from "host:random/random@0.2.0";

/** The most bytes of one request, as on the web. */
const BYTES_MAX = 65536;

function bytes(count) {
  return Uint8Array.from(wasi.getRandomBytes(count));
}

/** From 0 to below 1, with all the 53 bits that a number has room for. */
function random() {
  const [high, low] = new Uint32Array(bytes(8).buffer);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

export const crypto = Object.freeze({
  getRandomValues(array) {
    const view = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    if (view.length > BYTES_MAX) throw new RangeError(`at most ${BYTES_MAX} random bytes at once`);
    view.set(bytes(view.length));
    return array;
  },

  randomUUID() {
    const drawn = bytes(16);
    // Version 4, variant of RFC 9562.
    drawn[6] = (drawn[6] & 0x0f) | 0x40;
    drawn[8] = (drawn[8] & 0x3f) | 0x80;
    const digits = Array.from(drawn, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
});

Math.random = random;
