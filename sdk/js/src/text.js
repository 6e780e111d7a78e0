/** Text to UTF-8 and back. The engine has neither `TextEncoder` nor `TextDecoder`. */

const REPLACEMENT = 0xfffd;

/** The bytes of `text`. Half a surrogate pair becomes U+FFFD, as on the web. */
export function encode(text) {
  // A code unit of UTF-16 takes at most three bytes.
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (const character of text) {
    let code = character.codePointAt(0);
    if (code >= 0xd800 && code <= 0xdfff) code = REPLACEMENT;
    if (code < 0x80) {
      bytes[length++] = code;
    } else if (code < 0x800) {
      bytes[length++] = 0xc0 | (code >> 6);
      bytes[length++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      bytes[length++] = 0xe0 | (code >> 12);
      bytes[length++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[length++] = 0x80 | (code & 0x3f);
    } else {
      bytes[length++] = 0xf0 | (code >> 18);
      bytes[length++] = 0x80 | ((code >> 12) & 0x3f);
      bytes[length++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[length++] = 0x80 | (code & 0x3f);
    }
  }
  return bytes.slice(0, length);
}

/** The text of `bytes`. What is not UTF-8 becomes U+FFFD, or with `fatal` a TypeError. */
export function decode(bytes, fatal = false) {
  const parts = [];
  let codes = [];
  for (let at = 0; at < bytes.length; ) {
    const [code, length] = character(bytes, at);
    if (code < 0 && fatal) throw new TypeError(`byte ${at} is not UTF-8`);
    codes.push(code < 0 ? REPLACEMENT : code);
    at += length;
    // In slices, because every code is an argument of one call.
    if (codes.length === 4096) {
      parts.push(String.fromCodePoint(...codes));
      codes = [];
    }
  }
  parts.push(String.fromCodePoint(...codes));
  return parts.join("");
}

/** The character at `at` (-1 if there is none) and how many bytes it, or the wrong start of one, takes. */
function character(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [first, 1];
  const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return [-1, 1];
  let code = first & (0xff >> (size + 1));
  for (let index = 1; index < size; index++) {
    const next = bytes[at + index];
    if (next === undefined || !isContinuation(first, index, next)) return [-1, index];
    code = (code << 6) | (next & 0x3f);
  }
  return [code, size];
}

/** Whether `next` may follow: no overlong forms, no surrogates, nothing above U+10FFFF. */
function isContinuation(first, index, next) {
  if (index > 1) return next >= 0x80 && next <= 0xbf;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  return next >= low && next <= high;
}

export class TextEncoder {
  encoding = "utf-8";

  encode(text = "") {
    return encode(String(text));
  }
}

export class TextDecoder {
  #fatal;
  encoding = "utf-8";

  constructor(label = "utf-8", { fatal = false } = {}) {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`no decoder for ${label}: only utf-8 is known`);
    this.#fatal = fatal;
  }

  decode(bytes = new Uint8Array()) {
    const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
    const hasMark = view[0] === 0xef && view[1] === 0xbb && view[2] === 0xbf;
    return decode(hasMark ? view.subarray(3) : view, this.#fatal);
  }
}
