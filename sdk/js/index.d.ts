/**
 * Functions for mu in JavaScript and TypeScript. Of the web platform's globals there are, besides what is exported here,
 * `console`, `crypto.randomUUID` and `getRandomValues`, timers, `TextEncoder` and `TextDecoder`.
 */

/** What a body can be: text, bytes, or an iterable of them, each chunk of which is sent at once. */
export type Body =
  | string
  | Uint8Array
  | ArrayBuffer
  | Iterable<string | Uint8Array>
  | AsyncIterable<string | Uint8Array>
  | null;

export type HeadersInit = Headers | Record<string, string> | Iterable<[string, string]>;

/** Answers a request. Anything but a `Response` becomes one with status 200. */
export type Handler = (request: Request) => Response | Body | Promise<Response | Body>;

/**
 * What the entry file exports as `incomingHandler`: one handler for all routes, or several by the names that the
 * routes in mu.yaml give them (`get: function.handler`). A handler that throws answers with status 500, and what it
 * threw is in the log.
 */
export function serve(handlers: Handler | Record<string, Handler>): unknown;

/** The table with this name in mu.yaml. Keys are text of at most 8 KiB, values at most 1 MiB. */
export function table(name: string): Table;

export interface Table {
  /** The value as text; `null` if there is no such key. */
  get(key: string): string | null;
  /** The value as bytes; `null` if there is no such key. */
  bytes(key: string): Uint8Array | null;
  set(key: string, value: string | number | Uint8Array | ArrayBuffer): void;
  delete(key: string): void;
  exists(key: string): boolean;
  /** Adds to the number at `key` (0 if there is none), in one step for all who do so; answers the sum. */
  increment(key: string, delta?: number): number;
  keys(): IterableIterator<string>;
}

/** Lines of the invocation's log. Values that are not text are written as JSON. `console` does the same. */
export const log: Readonly<Record<"debug" | "info" | "warn" | "error", (...values: unknown[]) => void>>;

/** The function's `env` in mu.yaml. Empty while the component is built: read it inside a handler. */
export const env: Readonly<Record<string, string | undefined>>;

/** Sends a request to another server and waits for the head of its response. */
export function fetch(
  target: string | Request,
  options?: { method?: string; headers?: HeadersInit; body?: Body },
): Promise<Response>;

export class Headers {
  constructor(entries?: HeadersInit);
  /** All values of the name, joined by a comma. */
  get(name: string): string | null;
  getAll(name: string): string[] | undefined;
  has(name: string): boolean;
  set(name: string, value: string | number): void;
  append(name: string, value: string | number): void;
  delete(name: string): void;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}

declare class Message {
  readonly headers: Headers;
  readonly body: Body;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  json<T = any>(): Promise<T>;
}

export class Request extends Message {
  constructor(url: string, options?: { method?: string; headers?: HeadersInit; body?: Body });
  readonly url: string;
  readonly method: string;
  /** The path, relative to the gateway. */
  readonly path: string;
  /** The query's values by name; of a repeated name, the last. */
  readonly query: Record<string, string>;
  /** What stood in the places of the route's `{name}`s. */
  readonly params: Record<string, string>;
  /** The name of the handler that the route leads to. */
  readonly handler: string | null;
  /** The id of the invocation, as in its log lines. */
  readonly id: string | null;
}

export class Response extends Message {
  constructor(body?: Body, options?: { status?: number; headers?: HeadersInit });
  status: number;
  /** Whether the status is one of success (200 to 299). */
  readonly ok: boolean;
  static json(value: unknown, options?: { status?: number; headers?: HeadersInit }): Response;
}
