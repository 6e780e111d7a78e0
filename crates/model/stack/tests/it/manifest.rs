//! Manifests without mistakes.

use std::time::Duration;

use mu_stack::{
    AllowList, Artifact, Auth, Build, ByteSize, ContainerSettings, Env, Instructions, JwtAuth, Language, Manifest,
    Method, Network, RouteMatch, Runtime, SecretName, Service, WebSocketLimits, limits,
};
use proptest::prelude::*;

use crate::FULL;

fn full() -> Manifest {
    Manifest::parse("mu.yaml", FULL.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn a_language_says_the_runtime_and_where_the_module_is() {
    for (function, expected) in [
        ("lang: rust", (Language::Rust, Runtime::Wasi1)),
        ("lang: Rust, runtime: wasi1.0", (Language::Rust, Runtime::Wasi1)),
        ("lang: rust, runtime: wasi-http", (Language::Rust, Runtime::WasiHttp)),
        ("lang: js", (Language::JavaScript, Runtime::WasiHttp)),
        ("lang: js, instances: reuse", (Language::JavaScript, Runtime::WasiHttp)),
        ("lang: python", (Language::Python, Runtime::WasiHttp)),
        ("lang: go", (Language::Go, Runtime::Wasi1)),
        ("lang: c", (Language::C, Runtime::Wasi1)),
    ] {
        let text = format!("name: a\nversion: 1\nservices:\n  - {{type: Function, name: f, {function}}}\n");
        let manifest = Manifest::parse("mu.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
        let read = manifest.functions().next().unwrap();
        assert_eq!(read.build(), &Build::Language(expected.0), "{function}");
        assert_eq!(read.runtime(), expected.1, "{function}");
        assert_eq!((read.source(), read.module()), ("functions/f", "modules/f.wasm"), "{function}");
    }
}

#[test]
fn a_container_is_built_or_fetched_or_there() {
    for (function, build, module) in [
        ("", Build::Container, "modules/f.tar"),
        ("source: f", Build::Container, "modules/f.tar"),
        ("source: f, module: f.tar", Build::Container, "f.tar"),
        ("module: f.tar", Build::None, "f.tar"),
        ("build: make, module: f.tar", Build::Command("make".to_owned()), "f.tar"),
        ("image: me/f:1", Build::Image("me/f:1".parse().unwrap()), "modules/f.json"),
    ] {
        let text = format!(
            "name: a\nversion: 1\nservices:\n  - {{type: Function, name: f, runtime: container, {function}}}\n"
        );
        let manifest = Manifest::parse("mu.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
        let read = manifest.functions().next().unwrap();
        assert_eq!((read.build(), read.module()), (&build, module), "{function}");
    }
}

#[test]
fn every_key_is_read() {
    let manifest = full();
    assert_eq!(manifest.name().as_str(), "shop");
    assert_eq!(manifest.version(), "1.10");
    assert_eq!(manifest.dev_id().unwrap().to_string(), "s_DfGaQSo67uZKUcC8zecSsLxdikFL9jefp8NJxj41CeEu");
    assert_eq!(manifest.services().len(), 11);

    let functions: Vec<_> = manifest.functions().collect();
    let code = |index: usize| (functions[index].build(), functions[index].source(), functions[index].module());
    assert_eq!(code(0), (&Build::Language(Language::Rust), "src/cart", "built/cart.wasm"));
    assert_eq!(code(1), (&Build::Command("make search".to_owned()), "functions/search", "search/out.wasm"));
    assert_eq!(code(2), (&Build::None, "functions/prebuilt", "vendor/prebuilt.wasm"));
    assert_eq!(code(3), (&Build::Container, "images/thumbnails", "modules/thumbnails.tar"));
    let image = Build::Image("localhost:5000/shop/legacy:1.4".parse().unwrap());
    assert_eq!(code(4), (&image, "functions/legacy", "modules/legacy.json"));

    let stack = manifest.deployed_stack();
    let cart = stack.function("cart").unwrap();
    assert_eq!(cart.artifact, Artifact::Module("built/cart.wasm".to_owned()));
    assert_eq!(cart.limits.memory, ByteSize::from_bytes(64 << 20));
    assert_eq!(cart.limits.timeout, Duration::from_secs(90));
    assert_eq!(cart.limits.instructions, Instructions::new(10_000_000_000));
    let variables: Vec<_> = cart.env.iter().collect();
    assert_eq!(variables, [("DEBUG", "false"), ("GREETING", "hello, wörld"), ("RATE", "1.50"), ("RETRIES", "3")]);
    assert_eq!(stack.function("search").unwrap().env, cart.env);
    assert_eq!(cart.secrets.iter().map(SecretName::as_str).collect::<Vec<_>>(), ["STRIPE_KEY", "_SALT2"]);
    assert_eq!((&cart.auth, &stack.function("search").unwrap().auth), (&Auth::Token, &Auth::None));
    let jwt = |audience: Option<&str>, claims: &[(&str, &str)]| {
        let claims = claims.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Auth::Jwt(JwtAuth { issuer: "accounts".parse().unwrap(), audience: audience.map(str::to_owned), claims })
    };
    assert_eq!(stack.function("prebuilt").unwrap().auth, jwt(None, &[]));

    let (idle_timeout, network) = (Duration::from_secs(300), Network::Egress);
    let thumbnails = stack.function("thumbnails").unwrap();
    assert_eq!(thumbnails.runtime, Runtime::Container);
    assert_eq!(thumbnails.container, ContainerSettings { idle_timeout, min_instances: 2, network });
    let legacy = stack.function("legacy").unwrap().container;
    assert_eq!(legacy, ContainerSettings { idle_timeout: Duration::ZERO, ..ContainerSettings::default() });
    assert_eq!(cart.container, ContainerSettings::default());

    let unspoken = stack.function("prebuilt").unwrap().limits;
    assert_eq!(unspoken.memory, limits::MEMORY_DEFAULT);
    assert_eq!(unspoken.timeout, limits::TIMEOUT_DEFAULT);
    assert_eq!(unspoken.instructions, limits::INSTRUCTIONS_DEFAULT);

    let api = stack.gateway("api").unwrap();
    for (method, path, handler) in [
        (Method::Get, "/", "cart.index"),
        (Method::Get, "/items/7", "cart.item"),
        (Method::Delete, "/items/7", "cart.remove"),
        (Method::Post, "/search/", "search.run"),
        (Method::Get, "/search/", "search.form"),
    ] {
        let RouteMatch::Found { handler: found, .. } = api.routes.find(method, path) else { panic!("{path}") };
        assert_eq!(found.to_string(), handler);
    }
    for (path, handler) in [("/search/", "search.live"), ("/carts/7/live", "cart.on_event")] {
        let RouteMatch::Found { handler: found, .. } = api.routes.find_websocket(path) else { panic!("{path}") };
        assert_eq!(found.to_string(), handler);
    }
    let own = |found: RouteMatch<'_>| match found {
        RouteMatch::Found { auth, .. } => auth.cloned(),
        other => panic!("{other:?}"),
    };
    let claims = [("role", "admin"), ("level", "3"), ("https://x/y", "true")];
    for (found, auth) in [
        (api.routes.find(Method::Get, "/search/"), Some(Auth::None)),
        (api.routes.find(Method::Head, "/search/"), Some(Auth::None)),
        (api.routes.find(Method::Post, "/search/"), None),
        (api.routes.find(Method::Get, "/"), None),
        (api.routes.find_websocket("/search/"), Some(jwt(Some("the shop"), &claims))),
        (api.routes.find_websocket("/carts/7/live"), None),
    ] {
        assert_eq!(own(found), auth);
    }
    let (message, idle_timeout) = (ByteSize::from_bytes(64 << 10), Duration::from_secs(3600));
    assert_eq!(api.websocket, WebSocketLimits { message, connections: 500, rate: 20, idle_timeout });
    let cors = api.cors.as_ref().unwrap();
    let origins = ["https://example.com", "http://localhost:3000"].map(str::to_owned).to_vec();
    assert_eq!(cors.allow_origins, AllowList::Only(origins));
    assert_eq!(cors.allow_methods.unwrap().to_string(), "GET, POST");
    assert_eq!(cors.allow_headers, AllowList::Only(vec!["x-user-id".to_owned()]));
    assert_eq!(cors.expose_headers, ["x-total"]);
    assert_eq!((cors.allow_credentials, cors.max_age), (true, Some(Duration::from_secs(600))));

    let open = stack.gateway("open").unwrap();
    assert_eq!(open.websocket, WebSocketLimits::default());
    assert!(open.routes.routes().is_empty());
    let cors = open.cors.as_ref().unwrap();
    assert_eq!(
        (&cors.allow_origins, cors.allow_methods, &cors.allow_headers),
        (&AllowList::Any, None, &AllowList::Any)
    );

    let tables: Vec<_> = stack.tables().map(|table| (table.name.as_str(), table.delete)).collect();
    assert_eq!(tables, [("carts", false), ("old-carts", true)]);
    let boxes: Vec<_> = stack.boxes().map(|storage| (storage.name.as_str(), storage.delete, storage.public)).collect();
    assert_eq!(boxes, [("images", false, true), ("old-images", true, false)]);
    assert!(stack.table("images").is_none() && stack.storage_box("images").is_some());
}

/// Defect 2 of the first version: `deploy` published `env_dev` and the shell's overrides.
#[test]
fn defect_2_env_dev_and_overrides_never_reach_a_deployed_stack() {
    let manifest = full();
    let mut overrides = Env::new();
    overrides.set("GREETING", "from the shell").unwrap();

    let local = manifest.local_stack(&overrides).unwrap();
    let env = &local.function("cart").unwrap().env;
    assert_eq!(env.value("SECRET"), Some("only-here"));
    assert_eq!(env.value("DEBUG"), Some("true"));
    assert_eq!(env.value("GREETING"), Some("from the shell"));

    let deployed = manifest.deployed_stack().with_binaries(|_| "b".parse().unwrap());
    let env = &deployed.function("cart").unwrap().env;
    assert_eq!(env.value("SECRET"), None);
    assert_eq!(env.value("DEBUG"), Some("false"));
    assert_eq!(env.value("GREETING"), Some("hello, wörld"));
    let written = [deployed.to_yaml().unwrap().into_bytes(), deployed.to_proto_bytes().unwrap()];
    for bytes in written {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("SECRET") && !text.contains("only-here") && !text.contains("shell"), "{text}");
    }
}

#[test]
fn the_sample_of_the_first_version_is_read() {
    let sample = "
name: todo
version: 0.1.0
dev_id: s_DfGaQSo67uZKUcC8zecSsLxdikFL9jefp8NJxj41CeEu
services:
  - {type: Function, name: todo, lang: Rust, runtime: wasi1.0, memory_limit: 64MiB, env: {}, env_dev: {}}
  - {type: KeyValueTable, name: todos}
  - {type: Storage, name: todo-attachments}
  - type: Gateway
    name: todo
    endpoints:
      /{title}:
        - {method: get, route_to: todo.get_todo}
      /:
        - {method: get, route_to: todo.get_all}
        - {method: post, route_to: todo.add_todo}
";
    let manifest = Manifest::parse("mu.yaml", sample.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(manifest.functions().next().unwrap().module(), "modules/todo.wasm");
    assert!(matches!(manifest.services()[2], Service::Box(_)));
}

#[test]
fn a_stack_may_be_empty() {
    for services in ["[]", "", "~"] {
        let text = format!("name: a\nversion: '1'\nservices: {services}\n");
        assert!(Manifest::parse("mu.yaml", text.as_bytes()).unwrap().services().is_empty(), "{services}");
    }
}

proptest! {
    /// What a slip of the hand makes of a manifest is a manifest or a report, never a panic.
    #[test]
    fn a_damaged_manifest_has_an_answer(
        edits in prop::collection::vec((0..FULL.len(), "[-a-z0-9:{}\\[\\]&*!|\"' \n\u{0}é]{0,3}", 0..20_usize), 1..4),
    ) {
        let mut text = FULL.to_owned();
        for (at, inserted, removed) in edits {
            let boundary = |mut index: usize| {
                while !text.is_char_boundary(index) {
                    index -= 1;
                }
                index
            };
            let (start, end) = (boundary(at.min(text.len())), boundary((at + removed).min(text.len())));
            text.replace_range(start.min(end)..end, &inserted);
        }
        if let Err(report) = Manifest::parse("mu.yaml", text.as_bytes()) {
            prop_assert!(!report.problems.is_empty());
        }
    }
}
