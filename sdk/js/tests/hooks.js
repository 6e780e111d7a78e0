/** How Node.js finds the modules of the namespace `host:`; see stand_ins.js. */

export function resolve(specifier, context, next) {
  return specifier.startsWith("host:") ? { url: specifier, shortCircuit: true } : next(specifier, context);
}

export function load(url, context, next) {
  if (!url.startsWith("host:")) return next(url, context);
  const name = url.slice("host:".length).replace(/@.*/, "");
  return { format: "module", source: `export default globalThis.wasiStandIns["${name}"];`, shortCircuit: true };
}
