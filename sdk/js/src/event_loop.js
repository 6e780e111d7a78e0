/**
 * Promises and timers. The component is called synchronously and the engine leaves its own jobs undone when a call
 * returns, so promises are ours: `async` functions are compiled to generators and use whatever `Promise` is global,
 * which this module sets before any other runs.
 */

import clock from "host:clocks/monotonic-clock@0.2.0";

const jobs = [];
const timers = new Map();
let lastTimer = 0;

class MuPromise {
  #state = "pending";
  #value;
  #reactions = [];

  constructor(executor) {
    const { resolve, reject } = this.#resolvers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  then(onFulfilled, onRejected) {
    const { promise, resolve, reject } = MuPromise.withResolvers();
    const reaction = () => {
      const handler = this.#state === "fulfilled" ? onFulfilled : onRejected;
      if (typeof handler !== "function") {
        (this.#state === "fulfilled" ? resolve : reject)(this.#value);
        return;
      }
      try {
        resolve(handler(this.#value));
      } catch (error) {
        reject(error);
      }
    };
    if (this.#state === "pending") this.#reactions.push(reaction);
    else jobs.push(reaction);
    return promise;
  }

  catch(onRejected) {
    return this.then(undefined, onRejected);
  }

  finally(action) {
    return this.then(
      (value) => MuPromise.resolve(action()).then(() => value),
      (error) => MuPromise.resolve(action()).then(() => MuPromise.reject(error)),
    );
  }

  get [Symbol.toStringTag]() {
    return "Promise";
  }

  /** Only the first call of either counts. */
  #resolvers() {
    let isCalled = false;
    const once = (action) => (value) => {
      if (isCalled) return;
      isCalled = true;
      action(value);
    };
    return { resolve: once((value) => this.#follow(value)), reject: once((error) => this.#settle("rejected", error)) };
  }

  #follow(value) {
    if (value === this) {
      this.#settle("rejected", new TypeError("a promise cannot wait for itself"));
      return;
    }
    let then;
    try {
      then = Object(value) === value ? value.then : undefined;
    } catch (error) {
      this.#settle("rejected", error);
      return;
    }
    if (typeof then !== "function") {
      this.#settle("fulfilled", value);
      return;
    }
    jobs.push(() => {
      const { resolve, reject } = this.#resolvers();
      try {
        then.call(value, resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  }

  #settle(state, value) {
    this.#state = state;
    this.#value = value;
    jobs.push(...this.#reactions.splice(0));
  }

  static withResolvers() {
    let resolve;
    let reject;
    const promise = new MuPromise((...both) => {
      [resolve, reject] = both;
    });
    return { promise, resolve, reject };
  }

  static resolve(value) {
    return value instanceof MuPromise ? value : new MuPromise((resolve) => resolve(value));
  }

  static reject(error) {
    return new MuPromise((_, reject) => reject(error));
  }

  static try(action, ...values) {
    return new MuPromise((resolve) => resolve(action(...values)));
  }

  static race(values) {
    return new MuPromise((resolve, reject) => {
      for (const value of values) MuPromise.resolve(value).then(resolve, reject);
    });
  }

  static all(values) {
    return collect(values, (promise, keep, { reject }) => promise.then(keep, reject));
  }

  static allSettled(values) {
    return collect(values, (promise, keep) =>
      promise.then(
        (value) => keep({ status: "fulfilled", value }),
        (reason) => keep({ status: "rejected", reason }),
      ),
    );
  }

  static any(values) {
    return collect(values, (promise, keep, { resolve }) => promise.then(resolve, keep)).then((results) => {
      if (Array.isArray(results) && results.isAllOf) throw new AggregateError(results, "all promises were rejected");
      return results;
    });
  }
}

/** A promise of a list that `watch` fills, promise by promise, unless it settles it otherwise first. */
function collect(values, watch) {
  const { promise, resolve, reject } = MuPromise.withResolvers();
  const promises = [...values].map((value) => MuPromise.resolve(value));
  const results = new Array(promises.length);
  Object.defineProperty(results, "isAllOf", { value: true });
  let remaining = promises.length;
  if (remaining === 0) resolve(results);
  promises.forEach((each, index) => {
    const keep = (result) => {
      results[index] = result;
      if (--remaining === 0) resolve(results);
    };
    watch(each, keep, { resolve, reject });
  });
  return promise;
}

/** Runs what is due until `promise` is settled; answers its value, or throws its error. */
export function settle(promise) {
  let outcome;
  promise.then(
    (value) => (outcome = { value }),
    (error) => (outcome = { error }),
  );
  for (;;) {
    runJobs();
    if (outcome) break;
    if (!runTimer()) throw new Error("the handler waits for a promise that nothing will ever settle");
  }
  timers.clear();
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

function runJobs() {
  for (let next = 0; next < jobs.length; next++) jobs[next]();
  jobs.length = 0;
}

/** Waits for the timer that is due next, and runs it; `false` if there is none. */
function runTimer() {
  const [next] = [...timers].sort(([, one], [, other]) => one.at - other.at);
  if (!next) return false;
  const [id, { at, every, action }] = next;
  const nanoseconds = Math.round(Math.max(0, at - performance.now()) * 1e6);
  if (nanoseconds > 0) {
    const due = clock.subscribeDuration(nanoseconds);
    due.block();
    due[Symbol.dispose]();
  }
  if (every === undefined) timers.delete(id);
  else timers.set(id, { at: at + Math.max(1, every), every, action });
  action();
  return true;
}

function setTimer(action, milliseconds, every, values) {
  const at = performance.now() + Math.max(0, Number(milliseconds) || 0);
  timers.set(++lastTimer, { at, every, action: () => action(...values) });
  return lastTimer;
}

const clearTimer = (id) => void timers.delete(id);

Object.assign(globalThis, {
  Promise: MuPromise,
  queueMicrotask: (action) => void jobs.push(() => action()),
  setTimeout: (action, milliseconds, ...values) => setTimer(action, milliseconds, undefined, values),
  setInterval: (action, milliseconds = 0, ...values) => setTimer(action, milliseconds, milliseconds, values),
  clearTimeout: clearTimer,
  clearInterval: clearTimer,
});
