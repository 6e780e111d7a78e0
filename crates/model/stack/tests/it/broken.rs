//! Manifests with mistakes, and what their writers are told.

use mu_stack::Manifest;

const CASES: &[(&str, &str)] = &[
    (
        "several mistakes are reported at once",
        "
nmae: shop
version: 1
services:
  - type: Functoin
    name: a
  - type: Function
    name: cart
    lang: rust
    memory_limit: 16GiB
    timeout: 30
  - type: Gateway
    name: api
    endpoints:
      /{a: {get: cart.index}
      /b: {get: crat.index, fetch: cart.x}
",
    ),
    ("not YAML", "name: a\nservices:\n  - type: [Function\n"),
    ("a tab for indentation", "name: a\nservices:\n\t- type: Function\n"),
    ("not a map", "- a\n- b\n"),
    ("missing keys", "{}"),
    (
        "wrong types at the top",
        "
name: 12
version: [1]
dev_id: s_short
services: {a: b}
",
    ),
    (
        "a version that is too long",
        "name: a\nversion: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nservices:\n",
    ),
    (
        "names",
        "
name: my shop
version: 1
services:
  - {type: KeyValueTable, name: ''}
  - {type: KeyValueTable, name: true}
  - {type: KeyValueTable, name: a/b}
  - {type: KeyValueTable, name: [a]}
  - {type: KeyValueTable}
",
    ),
    (
        "services that are no services",
        "
name: a
version: 1
services:
  - Function
  - {name: f}
  - {type: function, name: f, lang: rust}
  - {type: Queue, name: q}
  - {type: [Function]}
",
    ),
    (
        "duplicate names, per kind",
        "
name: a
version: 1
services:
  - {type: Function, name: x, lang: rust}
  - {type: Function, name: x, lang: rust}
  - {type: Gateway, name: x, endpoints: {}}
  - {type: Gateway, name: x, endpoints: {}}
  - {type: KeyValueTable, name: x}
  - {type: KeyValueTable, name: x}
  - {type: Storage, name: x}
  - {type: Storage, name: x}
",
    ),
    (
        "a gateway and a public box of one name",
        "
name: a
version: 1
services:
  - {type: Storage, name: files, public: true}
  - {type: Storage, name: other}
  - {type: Gateway, name: files, endpoints: {}}
  - {type: Gateway, name: other, endpoints: {}}
",
    ),
    (
        "a function that doesn't say where its code is",
        "
name: a
version: 1
services:
  - {type: Function, name: nothing}
  - {type: Function, name: only-build, build: make}
  - {type: Function, name: both, lang: rust, build: make, module: m.wasm}
  - {type: Function, name: other-language, lang: cobol}
  - {type: Function, name: deployed, binary: abc}
",
    ),
    (
        "a language and a runtime that it is not built for",
        "
name: a
version: 1
services:
  - {type: Function, name: a, lang: js, runtime: wasi1.0}
  - {type: Function, name: b, lang: python, runtime: wasi-http-0.3}
  - {type: Function, name: c, lang: go, runtime: wasi-http}
  - {type: Function, name: d, lang: c, instances: reuse}
  - {type: Function, name: e, lang: rust, runtime: wasi-http-0.3}
",
    ),
    (
        "paths of files",
        "
name: a
version: 1
services:
  - {type: Function, name: a, module: /tmp/a.wasm}
  - {type: Function, name: b, module: 'C:\\b.wasm'}
  - {type: Function, name: c, module: '', source: ''}
  - {type: Function, name: d, module: m.wasm, build: ' '}
",
    ),
    (
        "limits of a function",
        "
name: a
version: 1
services:
  - {type: Function, name: a, lang: rust, memory_limit: 64M, timeout: soon, max_instructions: many}
  - {type: Function, name: b, lang: rust, memory_limit: 1, timeout: 0s, max_instructions: 0}
  - {type: Function, name: c, lang: rust, memory_limit: 9GiB, timeout: 5m1ms, max_instructions: 10000T}
  - {type: Function, name: d, lang: rust, memory_limit: {}, timeout: [], max_instructions: ~, runtime: wasi2}
  - {type: Function, name: e, lang: rust, max_concurrency: many, instances: reuse}
  - {type: Function, name: f, module: f.wasm, runtime: wasi-http, max_concurrency: 0, instances: reused}
",
    ),
    (
        "environment variables",
        "
name: a
version: 1
services:
  - type: Function
    name: a
    lang: rust
    env:
      A=B: x
      'NUL': \"a\\0b\"
      EMPTY:
      LIST: [1]
      '': x
    env_dev: nothing
",
    ),
    (
        "flags",
        "
name: a
version: 1
services:
  - {type: Storage, name: a, public: yes, delete: 'true'}
  - {type: KeyValueTable, name: a, public: true, delete: 1}
",
    ),
    (
        "unknown keys",
        "
name: a
version: 1
description: x
services:
  - type: Function
    name: f
    lang: rust
    memory-limit: 64MiB
    memory: 64MiB
    <<: {a: b}
    colour: green
",
    ),
    (
        "routes to handlers",
        "
name: a
version: 1
services:
  - {type: Function, name: cart, lang: rust}
  - type: Gateway
    name: api
    endpoints:
      /a: {get: cart}
      /b: {get: cart.a.b}
      /c: {get: carts.a}
      /d: {get: elsewhere.a}
      /e: {get: 12}
      /f: {get: {x: y}}
      /g: {Get: cart.a, trace: cart.b}
      /h: [{method: get}, {route_to: cart.a}, {method: purge, route_to: cart.a}, get, {method: get, to: cart.a}]
      /i: cart.a
      /j: {}
      /k: []
      /l:
",
    ),
    (
        "routes of a stack without functions",
        "
name: a
version: 1
services:
  - {type: Gateway, name: api, endpoints: {/: {get: f.h}}}
",
    ),
    (
        "a function with a mistake of its own is still known",
        "
name: a
version: 1
services:
  - {type: Function, name: f}
  - {type: Gateway, name: api, endpoints: {/: {get: f.h}}}
",
    ),
    (
        "malformed paths",
        "
name: a
version: 1
services:
  - {type: Function, name: f, lang: rust}
  - type: Gateway
    name: api
    endpoints:
      /get/{a}{b}: {get: f.h}
      /get/{}: {get: f.h}
      /get/{a: {get: f.h}
      /get/a}: {get: f.h}
      /get/x{a}: {get: f.h}
      /get/{a}/{a}: {get: f.h}
      /get//a: {get: f.h}
      /get/{rest...}: {get: f.h}
      /get/a%20b: {get: f.h}
      /get?a=b: {get: f.h}
      /../a: {get: f.h}
",
    ),
    (
        "overlapping paths",
        "
name: a
version: 1
services:
  - {type: Function, name: f, lang: rust}
  - type: Gateway
    name: api
    endpoints:
      /a/{x}: {get: f.h}
      /a/{y}: {post: f.h}
      a/{x}: {put: f.h}
      /a/b: {get: f.h, GET: f.g}
      /a/b/: [{method: get, route_to: f.h}, {method: GET, route_to: f.g}]
      /a/b: {put: f.h}
",
    ),
    (
        "cross-origin rules",
        "
name: a
version: 1
services:
  - {type: Gateway, name: a, endpoints: {}, cors: all}
  - {type: Gateway, name: b, endpoints: {}, cors: {}}
  - {type: Gateway, name: c, endpoints: {}, cors: {allow_origins: '*', allow_credentials: true}}
  - {type: Gateway, name: d, endpoints: {}, cors: {allow_origins: [], allow_methods: []}}
  - {type: Gateway, name: e, endpoints: {}, cors: {allow_origins: [example.com, 'https://a/'], max_age: 2days}}
  - {type: Gateway, name: f, endpoints: {}, cors: {allow_origins: all, allow_methods: [fetch], max_age: 25h}}
  - {type: Gateway, name: g, endpoints: {}, cors: {allow_origins: '*', allow_headers: ['a b', 1], expose_headers: x}}
",
    ),
    (
        "two documents, tags, duplicate keys",
        "
name: !!str a
version: 1
version: 2
services: []
---
name: b
",
    ),
    (
        "websockets",
        "
name: a
version: 1
services:
  - {type: Function, name: f, lang: rust}
  - type: Gateway
    name: a
    endpoints:
      /: {websocket: g.h, WebSocket: f.h}
      /twice:
        - {method: websocket, route_to: f.h}
        - {method: websocket, route_to: f.i}
    websocket: {max_message: 17MiB, max_connections: 0, max_rate: 100001, idle_timeout: 999ms}
  - {type: Gateway, name: b, endpoints: {}, websocket: {max_mesage: 1KiB, max_connections: many, max_rate: 1.5, idle_timeout: 10}}
  - {type: Gateway, name: c, endpoints: {}, websocket: 5, cors: {allow_origins: '*', allow_methods: [websocket]}}
",
    ),
    (
        "auth and secrets",
        "
name: a
version: 1
services:
  - {type: Function, name: a, lang: c, auth: jwt}
  - {type: Function, name: b, lang: c, auth: tokn}
  - {type: Function, name: c, lang: c, auth: [token]}
  - {type: Function, name: d, lang: c, auth: {jwt: {audience: 5, claims: [role]}}}
  - {type: Function, name: e, lang: c, auth: {jwt: {issuer: 'a b', claims: {role: [x], '': y}}}}
  - {type: Function, name: f, lang: c, auth: {token: 1}}
  - {type: Function, name: g, lang: c, secrets: KEY}
  - {type: Function, name: h, lang: c, secrets: [key, 1A, KEY, KEY, {KEY: value}, A], env: {A: 1}}
  - type: Gateway
    name: g
    endpoints:
      /:
        - {method: get, route_to: a.h, auth: everyone}
        - {method: put, route_to: a.h, auth: {jwt: {issuer: i, audience: ''}}}
      /map: {get: a.h, auth: token}
",
    ),
    (
        "containers, and what is not for them",
        "
name: a
version: 1
services:
  - {type: Function, name: a, lang: go, idle_timeout: 1m, min_instances: 1, network: egress, image: me/a:1}
  - {type: Function, name: b, runtime: container, lang: go, instances: reuse}
  - {type: Function, name: c, runtime: container, idle_timeout: 3601s, min_instances: 3, max_concurrency: 2}
  - {type: Function, name: d, runtime: container, idle_timeout: 30, min_instances: -1, network: host}
  - {type: Function, name: e, runtime: container, image: Me/E, build: make}
  - {type: Function, name: f, runtime: container, image: me/f:1, source: f, module: f.tar, build: make}
  - {type: Function, name: g, runtime: container, build: make}
  - {type: Function, name: h, runtime: containre, idle_timeout: 1m, module: h.tar}
  - {type: Function, name: i, runtime: container, min_instances: 129, network: egres}
",
    ),
];

#[test]
fn mistakes_are_told_with_line_column_and_a_hint() {
    let mut told = String::new();
    for (title, manifest) in CASES {
        let manifest = manifest.strip_prefix('\n').unwrap_or(manifest);
        let report = match Manifest::parse("mu.yaml", manifest.as_bytes()) {
            Err(report) => report.to_string(),
            Ok(_) => "NO MISTAKE FOUND".to_owned(),
        };
        told.push_str(&format!("=== {title}\n{report}\n\n"));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_too_large_or_too_many_is_told() {
    let head = "name: a\nversion: 1\nservices:\n";
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let services = format!("{head}{}", many(257, &|index| format!("  - {{type: KeyValueTable, name: t{index}}}\n")));
    let routes = format!(
        "{head}  - {{type: Function, name: f, lang: rust}}\n  - type: Gateway\n    name: g\n    endpoints:\n{}",
        many(1025, &|index| format!("      /{index}: {{get: f.h}}\n"))
    );
    let function = |env: &str, env_dev: &str| {
        let variable = |value: &str| format!("{{V{}: {value}}}", value.len());
        let (env, env_dev) = (variable(env), variable(env_dev));
        format!("{head}  - {{type: Function, name: f, lang: rust, env: {env}, env_dev: {env_dev}}}\n")
    };
    let (large, half) = ("x".repeat(65_536), "x".repeat(40_000));
    for (manifest, told) in [
        (services, "mu.yaml:260:5: error: the stack has more than the most services, 256"),
        (routes, "mu.yaml:1032:7: error: in gateway `g`: a gateway has at most 1024 paths"),
        (function(&large, "x"), "with `V65536` the environment would have more than 65536 bytes"),
        (function(&half, &format!("{half}y")), "together with `env`: with `V40001` the environment would have more"),
        (
            format!("{head}#{}\n", "x".repeat(1 << 20)),
            "mu.yaml: error: the file has 1048607 bytes, more than the most, 1048576",
        ),
        (
            format!("{head}  - {{type: KeyValueTable, name: {}}}\n", "x".repeat(256)),
            "has at most 255 bytes, this one has 256",
        ),
    ] {
        let report = Manifest::parse("mu.yaml", manifest.as_bytes()).unwrap_err().to_string();
        assert!(report.contains(told), "{report:.2000}");
    }
}
