/** The environment that the function's `env` in mu.yaml gives. */

import environment from "host:cli/environment@0.2.0";

let variables;

/**
 * Read at the first use: while the component is built, there is no environment yet.
 */
export const env = new Proxy({}, {
  get: (_, name) => read().get(name),
  has: (_, name) => read().has(name),
  set: () => false,
  ownKeys: () => [...read().keys()],
  getOwnPropertyDescriptor: (_, name) =>
    read().has(name) ? { value: read().get(name), enumerable: true, configurable: true } : undefined,
});

function read() {
  return (variables ??= new Map(environment.getEnvironment()));
}
