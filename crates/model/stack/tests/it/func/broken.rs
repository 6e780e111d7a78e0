//! Func files and app files with mistakes, and what their writers are told.

use mu_stack::func::{AppFile, FuncFile};

const FUNC_FILES: &[(&str, &str)] = &[
    ("nothing", ""),
    ("not a map", "- name: a\n"),
    (
        "misspelt and unknown keys",
        "
schema_version: 20180708
nmae: hello
runtme: go
memory_limit: 128
color: green
",
    ),
    (
        "keys of the other schema",
        "
schema_version: 20180708
path: /hello
format: http-stream
cpus: 100m
headers: {}
tests: []
",
    ),
    (
        "keys of the new schema in a file that does not say so",
        "
name: hello
triggers: [{type: http, source: /hello}]
deploy: {}
signing_details: {}
",
    ),
    ("a schema that nobody knows", "schema_version: 20990101\n"),
    ("a schema that is none", "schema_version: [20180708]\n"),
    (
        "names, versions and runtimes",
        "
schema_version: 20180708
name: he llo
version: 1.0
runtime: pyton3.11
build_image: A B
run_image: [x]
",
    ),
    ("a name that is a number, a version that is none", "name: 12\nversion: v1\nruntime: rust\n"),
    ("a repository that is none", "name: Me/hello\nruntime: 3\n"),
    (
        "limits",
        "
memory: 128MB
timeout: 301
idle_timeout: -1
",
    ),
    ("limits out of the world", "memory: 8193\ntimeout: 1.5\nidle_timeout: [30]\n"),
    (
        "commands",
        "
schema_version: 20180708
entrypoint: python3 'func.py
cmd: \"a\\nRUN b\"
build:
  - make
  - \"\"
  - \"a\\nb\"
  - [x]
  - 5
content_type: json
type: asinc
",
    ),
    ("a build that is no list", "build: make\n"),
    (
        "config",
        "
config:
  1A: x
  A-B: x
  '': x
  C: [x]
  D:
",
    ),
    ("config that is no map", "config: [A=1]\n"),
    (
        "annotations",
        "
annotations:
  a b: x
  '': x
  c:
  d: ''
  é: x
",
    ),
    (
        "expectations",
        "
expects:
  config:
    - {required: true}
    - {name: A, required: yes}
    - B
    - {nam: C}
  env: []
",
    ),
    (
        "triggers",
        "
schema_version: 20180708
triggers:
  - http
  - {}
  - {type: htp, source: /a}
  - {type: timer}
  - {type: http}
  - {type: http, source: hello}
  - {type: http, source: '/{name}'}
  - {type: http, source: /a//b}
  - {type: http, source: /a, topic: t}
  - {type: http, source: /a}
  - {name: http, type: http, source: /b}
  - {name: a b, type: http, source: /c}
  - {type: event}
  - {type: event, topic: a b}
  - {type: event, topic: [a]}
  - {type: scheduled}
  - {type: scheduled, format: '* * 12 45 *'}
  - {type: scheduled, format: '* * * *', source: /a}
  - {type: scheduled, format: '@daily'}
  - {type: scheduled, format: 5, sorce: /a}
",
    ),
    ("triggers that are no list", "schema_version: 20180708\ntriggers: {type: http, source: /a}\n"),
    (
        "the old schema",
        "
path: hello
format: htp
cpus: many
headers: text
tests: [{nam: a}, b]
",
    ),
];

const APP_FILES: &[(&str, &str)] = &[
    ("nothing", "# nothing\n"),
    ("unknown keys", "nmae: a\nfunctions: []\n"),
    ("wrong values", "name: my app\nconfig: {A: {}}\nannotations: [a]\nsyslog_url: http://example.com\n"),
    ("more wrong values", "name: [a]\nconfig: {1: a}\nsyslog_url: 5\n"),
];

#[test]
fn mistakes_are_told_with_line_column_and_a_hint() {
    let mut told = String::new();
    for (title, text) in FUNC_FILES {
        let text = text.strip_prefix('\n').unwrap_or(text);
        let read = FuncFile::parse("func.yaml", text.as_bytes());
        told.push_str(&format!("=== {title}\n{}\n\n", said(read.map(drop))));
    }
    for (title, text) in APP_FILES {
        let read = AppFile::parse("app.yaml", text.as_bytes());
        told.push_str(&format!("=== app file: {title}\n{}\n\n", said(read.map(drop))));
    }
    insta::assert_snapshot!(told);
}

fn said(read: Result<(), mu_stack::Report>) -> String {
    read.map_or_else(|report| report.to_string(), |()| "NO MISTAKE FOUND".to_owned())
}

#[test]
fn what_is_too_large_or_too_many_is_told() {
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let triggers = many(101, &|index| format!("  - {{type: event, topic: t{index}}}\n"));
    for (text, told) in [
        (format!("config: {{A: {}}}", "x".repeat(4096)), "`config` has 4097 bytes, more than the most, 4096"),
        (format!("annotations: {{a: {}}}", "x".repeat(511)), "the annotation `a` has at most 512 bytes"),
        (format!("annotations: {{{}: x}}", "a".repeat(129)), "the key of an annotation has 1 to 128 printable"),
        (
            format!("annotations:\n{}", many(101, &|index| format!("  k{index}: x\n"))),
            "more than the most annotations, 100",
        ),
        (format!("schema_version: 20180708\ntriggers:\n{triggers}"), "a function has at most 100 triggers"),
        (format!("cmd: {}", "x".repeat(4097)), "`cmd` is one line of at most 4096 bytes"),
        (format!("name: {}", "x".repeat(256)), "a function name has at most 255 bytes, this one has 256"),
        (format!("#{}", "x".repeat(1 << 20)), "more than the most, 1048576"),
    ] {
        let report = FuncFile::parse("func.yaml", text.as_bytes()).unwrap_err().to_string();
        assert!(report.contains(told), "{report:.2000}");
    }
}
