// The hello of the benchmarks under deno, which prints where it listens.
Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(`Serving HTTP on http://127.0.0.1:${port}/`) },
  () => new Response("hello", { headers: { "content-type": "text/plain" } }),
);
