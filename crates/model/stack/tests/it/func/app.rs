//! Apps, and what becomes of them.

use mu_stack::func::{App, AppFile, AppFunction, FuncFile, FuncLimits};
use mu_stack::{Build, Method, RouteMatch, Runtime};

fn function(folder: &str, text: &str) -> AppFunction {
    let file = FuncFile::parse("func.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    AppFunction { folder: folder.to_owned(), file_name: "func.yaml".to_owned(), file, has_dockerfile: false }
}

fn app_file(text: &str) -> AppFile {
    AppFile::parse("app.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
}

const HELLO: &str = "
schema_version: 20180708
name: hello
version: 0.0.3
runtime: python
memory: 256
config: {GREETING: hi}
triggers:
  - {type: http, source: /hello}
";

#[test]
fn a_func_file_alone_is_an_app_of_its_own_name() {
    let app = App::new(None, "folder", &[function("", HELLO)], FuncLimits::default()).unwrap();
    let manifest = &app.manifest;
    assert_eq!((manifest.name().as_str(), manifest.version()), ("hello", "0.0.3"));
    let read = manifest.functions().next().unwrap();
    assert_eq!((read.build(), read.runtime()), (&Build::Container, Runtime::Container));
    assert_eq!((read.source(), read.module()), (".", "modules/hello.tar"));
    let stack = manifest.deployed_stack();
    assert_eq!(stack.function("hello").unwrap().env.value("GREETING"), Some("hi"));
    assert_eq!(stack.function("hello").unwrap().limits.memory.to_string(), "256MiB");
    let routes = &stack.gateway("http").unwrap().routes;
    for method in [Method::Get, Method::Post, Method::Delete, Method::Options] {
        let RouteMatch::Found { handler, .. } = routes.find(method, "/hello") else { panic!("{method}") };
        assert_eq!(handler.to_string(), "hello.call");
    }
    for path in ["/", "/hello/", "/hello/x"] {
        assert_eq!(routes.find(Method::Get, path), RouteMatch::NotFound, "{path}");
    }
    assert!(app.notes.is_empty());

    let unnamed = App::new(None, "folder", &[function("", "runtime: docker")], FuncLimits::default()).unwrap();
    assert_eq!(unnamed.manifest.name().as_str(), "folder");
    assert_eq!(unnamed.manifest.functions().next().unwrap().name().as_str(), "folder");
    assert!(unnamed.manifest.gateways().next().is_none());
}

#[test]
fn an_app_has_the_functions_of_its_folders() {
    let app = app_file("name: shop\nconfig: {GREETING: hello, DEBUG: 'true'}\nannotations: {a: 1}\n");
    let functions = [
        function("", "name: front\nversion: 1.2.0\nruntime: node\n"),
        function("hello", HELLO),
        function(
            "jobs/nightly",
            "schema_version: 20180708\nruntime: go\nexpects: {config: [{name: DEBUG, required: true}, {name: KEY, required: true}]}\ntriggers: [{type: scheduled, format: 0 3 * * *}]\n",
        ),
    ];
    let limits = FuncLimits { memory_mb: Some(64), ..FuncLimits::default() };
    let app = App::new(Some(&app), "folder", &functions, limits).unwrap();
    let manifest = &app.manifest;
    assert_eq!((manifest.name().as_str(), manifest.version()), ("shop", "1.2.0"));
    let names: Vec<_> = manifest.functions().map(|function| (function.name().as_str(), function.source())).collect();
    assert_eq!(names, [("front", "."), ("hello", "hello"), ("nightly", "jobs/nightly")]);
    let stack = manifest.deployed_stack();
    let env: Vec<_> = stack.function("hello").unwrap().env.iter().collect();
    assert_eq!(env, [("DEBUG", "true"), ("GREETING", "hi")]);
    assert!(stack.functions().all(|function| function.limits.memory.to_string() == "64MiB"));
    let routes = &stack.gateway("http").unwrap().routes;
    for (path, expected) in [("/", "front.call"), ("/hello", "hello.call")] {
        let RouteMatch::Found { handler, .. } = routes.find(Method::Put, path) else { panic!("{path}") };
        assert_eq!(handler.to_string(), expected);
    }
    assert_eq!(
        app.notes,
        [
            "app.yaml:3:1: note: `annotations` has no effect here",
            "jobs/nightly/func.yaml:4:12: note: the trigger `scheduled` (scheduled 0 3 * * *) is not run yet",
            "jobs/nightly/func.yaml: note: it expects the variable `KEY`, which no `config` has",
        ]
    );
}

#[test]
fn what_a_dockerfile_makes_useless_is_noted_beside_one() {
    let text = "runtime: python\nentrypoint: python3 func.py\nbuild: [make]\n";
    let notes = |has_dockerfile| {
        let function = AppFunction { has_dockerfile, ..function("", text) };
        App::new(None, "folder", &[function], FuncLimits::default()).unwrap().notes
    };
    assert_eq!(notes(false), Vec::<String>::new());
    assert_eq!(
        notes(true),
        [
            "func.yaml:2:1: note: `entrypoint` has no effect: the folder has a Dockerfile",
            "func.yaml:3:1: note: `build` has no effect: the folder has a Dockerfile",
        ]
    );
}

#[test]
fn an_index_with_a_trigger_answers_there() {
    let app = app_file("{}");
    let functions = [function("", HELLO), function("a", "path: /")];
    let app = App::new(Some(&app), "folder", &functions, FuncLimits::default()).unwrap();
    assert_eq!(app.manifest.name().as_str(), "folder");
    let stack = app.manifest.deployed_stack();
    let RouteMatch::Found { handler, .. } = stack.gateway("http").unwrap().routes.find(Method::Get, "/") else {
        panic!("no route")
    };
    assert_eq!(handler.to_string(), "a.call");
}

#[test]
fn what_the_files_do_to_each_other_is_told() {
    let app = app_file("name: shop");
    for (app, folder, functions, told) in [
        (
            Some(&app),
            "f",
            vec![function("a", HELLO), function("b", HELLO)],
            "app.yaml: error: in `b/func.yaml`: two functions are named `hello`\n  hint: the other is in `a`; write another `name` into one of the files\napp.yaml: error: in `b/func.yaml`: functions `hello` and `hello` both have a trigger for `/hello`",
        ),
        (
            Some(&app),
            "f",
            vec![function("a b", "version: 0.0.1")],
            "app.yaml: error: in `a b/func.yaml`: a function name can't contain ' '; use A-Z a-z 0-9 _ -\n  hint: write a `name` into the file",
        ),
        (None, "a.b", vec![function("", "version: 0.0.1")], "func.yaml: error: a stack name can't contain '.'"),
        (
            Some(&app),
            "f",
            vec![],
            "app.yaml: error: there is no function\n  hint: `mu init --runtime python hello` makes one",
        ),
        (
            Some(&app),
            "f",
            (0..256).map(|index| function(&format!("f{index}"), "{}")).collect(),
            "an app has at most 255 functions",
        ),
    ] {
        let report = App::new(app, folder, &functions, FuncLimits::default()).unwrap_err().to_string();
        assert!(report.contains(told), "{report}");
    }
}
