import assert from "node:assert/strict";
import test from "node:test";

import { wasi } from "./stand_ins.js";

const platform = { Promise, queueMicrotask, setTimeout, setInterval, clearTimeout, clearInterval };
const { settle } = await import("../src/event_loop.js");
const ours = { Promise, queueMicrotask, setTimeout, setInterval, clearTimeout, clearInterval };
// The test runner goes on with the platform's.
Object.assign(globalThis, platform);

/** Time passes when something waits for it, and not otherwise. */
let now = 0;
Object.defineProperty(globalThis, "performance", { value: { ...performance, now: () => now }, configurable: true });
wasi["clocks/monotonic-clock"].subscribeDuration = (nanoseconds) => ({
  block: () => void (now += nanoseconds / 1e6),
  [Symbol.dispose]() {},
});

test("what settles a promise settles those that follow it", () => {
  const P = ours.Promise;
  const boom = new Error("boom");
  const thenable = { then: (resolve) => resolve(3) };
  for (const [promise, expected] of [
    [P.resolve(1), 1],
    [P.resolve(1).then((value) => value + 1), 2],
    [P.resolve(1).then((value) => P.resolve(value + 1)), 2],
    [P.resolve(thenable), 3],
    [P.reject(boom).catch((error) => error), boom],
    [P.reject(boom).then(null, (error) => error), boom],
    [P.resolve(1).finally(() => 2), 1],
    [P.all([1, P.resolve(2), thenable]).then((list) => [...list]), [1, 2, 3]],
    [P.all([]).then((list) => list.length), 0],
    [P.allSettled([1, P.reject(boom)]).then((list) => list.map(({ status }) => status)), ["fulfilled", "rejected"]],
    [P.any([P.reject(boom), 2]), 2],
    [P.any([P.reject(boom)]).catch((error) => error.errors[0]), boom],
    [P.race([new P(() => {}), 5]), 5],
    [P.try((one, other) => one + other, 1, 2), 3],
    [new P((resolve, reject) => (resolve(1), reject(boom))), 1],
    [new P(() => { throw boom; }).catch((error) => error), boom],
  ]) {
    assert.deepEqual(settle(promise), expected);
  }
});

test("a rejection is thrown", () => {
  assert.throws(() => settle(ours.Promise.reject(new Error("no tea"))), /no tea/);
  const itself = ours.Promise.withResolvers();
  itself.resolve(itself.promise);
  assert.throws(() => settle(itself.promise), /cannot wait for itself/);
});

test("jobs run in the order in which they came due", () => {
  const order = [];
  const note = (name) => () => void order.push(name);
  ours.queueMicrotask(note("job"));
  const promise = ours.Promise.resolve().then(note("first")).then(note("second"));
  note("before")();
  settle(promise);
  assert.deepEqual(order, ["before", "job", "first", "second"]);
});

test("timers run by their time, and waiting is left to the clock", () => {
  const order = [];
  const note = (name) => order.push(`${name} at ${now}`);
  const interval = ours.setInterval(() => void (note("tick"), now >= 6 && ours.clearInterval(interval)), 3);
  ours.clearTimeout(ours.setTimeout(note, 1, "never"));
  ours.setTimeout(note, 20, "late");
  ours.setTimeout(note, 10, "early");
  settle(new ours.Promise((resolve) => ours.setTimeout(resolve, 30)));
  assert.deepEqual([order, now], [["tick at 3", "tick at 6", "early at 10", "late at 20"], 30]);
});

test("waiting for nothing is told", () => {
  assert.throws(() => settle(new ours.Promise(() => {})), /nothing will ever settle/);
});
