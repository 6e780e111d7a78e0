/** Methods, between WASI's variants and their names. */

const KNOWN = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

export function fromMethod({ tag, val }) {
  return tag === "other" ? val : tag.toUpperCase();
}

export function toMethod(name) {
  return KNOWN.includes(name) ? { tag: name.toLowerCase() } : { tag: "other", val: name };
}
