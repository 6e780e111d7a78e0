//! Reads a function, as `mu.yaml` or the form of a deployed stack writes it.

use crate::duration::HumanDuration;
use crate::env::Env;
use crate::instructions::Instructions;
use crate::keys::{INSTANCES_WORDS, LANGUAGES, RUNTIMES};
use crate::language::Language;
use crate::limits::{
    CONCURRENCY_MAX, INSTRUCTIONS_MAX, MEMORY_MAX, MEMORY_MIN, PATH_BYTES_MAX, TIMEOUT_MAX, TIMEOUT_MIN,
};
use crate::manifest::{Build, FunctionManifest};
use crate::name::FunctionName;
use crate::problem::{Problems, outside};
use crate::size::ByteSize;
use crate::stack::{Artifact, Function, FunctionLimits, Instances, Runtime};

use super::{Fields, WholeNumber, auth, container, shown};

/// A function of `mu.yaml`.
pub(crate) fn of_manifest(
    name: Option<FunctionName>,
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> Option<FunctionManifest> {
    let said = runtime(fields, problems);
    let build = match said {
        Some(Runtime::Container) => container::build(fields, problems),
        _ => build(fields, problems),
    };
    let module = path(fields, "module", problems);
    let source = path(fields, "source", problems);
    let runtime = built_runtime(said, fields, &build, problems);
    let env = variables(fields, "env", problems);
    let env_dev = variables(fields, "env_dev", problems);
    if let (Err(error), Some(entry)) = (env.overlaid(&env_dev), fields.entry("env_dev")) {
        problems.add(entry.node.position, format!("together with `env`: {error}"));
    }
    let secrets = auth::secrets(fields, &env, problems);
    let auth = fields.entry("auth").map(|entry| auth::read(&entry.node, problems)).unwrap_or_default();
    let limits = limits(fields, problems);
    let instances = instances(fields, runtime, problems);
    let container = container::settings(fields, runtime, &limits, problems);
    let name = name?;
    let module = module.or_else(|| match build {
        Build::Language(_) => Some(format!("modules/{name}.wasm")),
        Build::Container => Some(format!("modules/{name}.tar")),
        Build::Image(_) => Some(format!("modules/{name}.json")),
        Build::Command(_) | Build::None => None,
    })?;
    let source = source.unwrap_or_else(|| format!("functions/{name}"));
    let position = fields.position();
    Some(FunctionManifest::new(
        name, position, build, source, module, runtime, env, env_dev, secrets, auth, limits, instances, container,
    ))
}

/// A function of a deployed stack.
pub(crate) fn of_stack(name: Option<FunctionName>, fields: &Fields<'_>, problems: &mut Problems) -> Option<Function> {
    let binary = fields.parsed_text("binary", problems);
    let runtime = runtime(fields, problems).unwrap_or_default();
    let env = variables(fields, "env", problems);
    let secrets = auth::secrets(fields, &env, problems);
    let auth = fields.entry("auth").map(|entry| auth::read(&entry.node, problems)).unwrap_or_default();
    let limits = limits(fields, problems);
    let instances = instances(fields, runtime, problems);
    let container = container::settings(fields, runtime, &limits, problems);
    let artifact = Artifact::Binary(binary?.0);
    Some(Function { name: name?, artifact, runtime, env, secrets, auth, limits, instances, container })
}

/// What is wrong with the limits of a function from wherever they come.
pub(crate) fn limit_mistakes(limits: &FunctionLimits) -> Vec<(&'static str, String)> {
    let millis = HumanDuration::saturating_from;
    let (least, most) = (millis(TIMEOUT_MIN), millis(TIMEOUT_MAX));
    [
        ("memory_limit", outside("`memory_limit`", &limits.memory, &MEMORY_MIN, &MEMORY_MAX)),
        ("timeout", outside("`timeout`", &millis(limits.timeout), &least, &most)),
        (
            "max_instructions",
            outside("`max_instructions`", &limits.instructions, &Instructions::new(1), &INSTRUCTIONS_MAX),
        ),
        ("max_concurrency", outside("`max_concurrency`", &limits.concurrency, &1, &CONCURRENCY_MAX)),
    ]
    .into_iter()
    .filter_map(|(key, message)| Some((key, message?)))
    .collect()
}

/// How the module comes to be; notes when nothing says so.
fn build(fields: &Fields<'_>, problems: &mut Problems) -> Build {
    let advice = "the languages are `rust`, `js`, `python`, `go` and `c`; for another one write `build` and `module`";
    let lang = fields.word("lang", &LANGUAGES, advice, problems).map(language);
    let command = command(fields, problems);
    let written = |key| fields.entry(key);
    if let (Some(_), Some(build)) = (written("lang"), written("build")) {
        let hint = "a language has its own build; keep one of the two".to_owned();
        problems.hint(build.position, "a function has `lang` or `build`, not both", hint);
    }
    if written("lang").is_none() && written("module").is_none() {
        let message = match written("build") {
            Some(_) => "`build` is there, but not `module`, the file that it makes",
            None => "nothing says where the function's code is",
        };
        let hint = "add `lang`, or `module` and perhaps a `build` command that makes it".to_owned();
        problems.hint(fields.position(), message, hint);
    }
    match (lang, command) {
        (Some(language), _) => Build::Language(language),
        (None, Some(command)) => Build::Command(command),
        (None, None) => Build::None,
    }
}

/// The command that makes the module.
pub(crate) fn command(fields: &Fields<'_>, problems: &mut Problems) -> Option<String> {
    let (command, position) = fields.text("build", problems)?;
    if command.trim().is_empty() || command.len() > PATH_BYTES_MAX || command.contains('\0') {
        problems.add(position, format!("`build` is a command of 1 to {PATH_BYTES_MAX} bytes"));
    }
    Some(command.to_owned())
}

/// A path below or beside the manifest, the same on every machine.
fn path(fields: &Fields<'_>, name: &str, problems: &mut Problems) -> Option<String> {
    let (path, position) = fields.text(name, problems)?;
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() || path.len() > PATH_BYTES_MAX || path.contains(char::is_control) {
        problems.add(position, format!("`{name}` is a path of 1 to {PATH_BYTES_MAX} bytes without control characters"));
    } else if path.starts_with('/') || path.contains('\\') || drive {
        let hint = "write it relative to mu.yaml, with `/` between directories".to_owned();
        problems.hint(position, format!("`{name}` can't be `{}`: it would not work elsewhere", shown(path)), hint);
    }
    Some(path.to_owned())
}

/// A word of [`LANGUAGES`] as the language it names.
fn language(word: &str) -> Language {
    let named = Language::ALL.into_iter().find(|language| language.as_str().eq_ignore_ascii_case(word));
    named.expect("every word of the list names a language")
}

/// The runtime that is written, else the first that the build makes artifacts for.
fn built_runtime(written: Option<Runtime>, fields: &Fields<'_>, build: &Build, problems: &mut Problems) -> Runtime {
    let Build::Language(language) = build else { return written.unwrap_or_default() };
    let possible = language.runtimes();
    let runtime = written.unwrap_or(possible[0]);
    if let (false, Some(entry)) = (possible.contains(&runtime), fields.entry("runtime")) {
        let names: Vec<String> = possible.iter().map(|runtime| format!("`runtime: {runtime}`")).collect();
        let hint = format!("leave `runtime` out, or write {}", names.join(" or "));
        problems.hint(entry.node.position, format!("`lang: {language}` is not built for runtime {runtime}"), hint);
    }
    runtime
}

fn runtime(fields: &Fields<'_>, problems: &mut Problems) -> Option<Runtime> {
    let advice = "the runtimes are `wasi1.0`, `wasi-http`, `wasi-http-0.3` and `container`";
    let word = fields.word("runtime", &RUNTIMES, advice, problems);
    Runtime::ALL.into_iter().find(|runtime| Some(runtime.as_str()) == word)
}

fn instances(fields: &Fields<'_>, runtime: Runtime, problems: &mut Problems) -> Instances {
    let advice = "instances are `fresh`, one for each invocation, or `reuse`";
    let word = fields.word("instances", &INSTANCES_WORDS, advice, problems);
    let instances = Instances::ALL.into_iter().find(|instances| Some(instances.as_str()) == word).unwrap_or_default();
    if let (Some(mistake), Some(entry)) = (instances_mistake(instances, runtime), fields.entry("instances")) {
        let hint = "leave `instances` out, or build a component (`runtime: wasi-http`)".to_owned();
        problems.hint(entry.node.position, mistake, hint);
    }
    instances
}

/// What is wrong with asking for such instances of such a function, from wherever that comes.
pub(crate) fn instances_mistake(instances: Instances, runtime: Runtime) -> Option<String> {
    // What is wrong with it in a container is told with the other keys that are not for containers.
    let is_mistake = instances == Instances::Reuse && !runtime.is_component() && runtime != Runtime::Container;
    is_mistake.then(|| format!("an instance of runtime {runtime} ends with its invocation and can't be reused"))
}

/// Variables; numbers and booleans count as the text they are written as.
pub(crate) fn variables(fields: &Fields<'_>, key: &str, problems: &mut Problems) -> Env {
    let mut env = Env::new();
    for variable in fields.map(key, problems) {
        let name = shown(&variable.key);
        match variable.node.scalar() {
            Some(value) => {
                if let Err(error) = env.set(variable.key.as_str(), value) {
                    problems.add(variable.position, error.to_string());
                }
            }
            None => {
                let found = variable.node.describe();
                let hint = variable.node.is_null().then(|| "write \"\" for an empty value".to_owned());
                problems.hint(
                    variable.node.position,
                    format!("the value of `{name}` is text, but this is {found}"),
                    hint,
                );
            }
        }
    }
    env
}

fn limits(fields: &Fields<'_>, problems: &mut Problems) -> FunctionLimits {
    let mut limits = FunctionLimits::default();
    if let Some((memory, _)) = fields.parsed::<ByteSize>("memory_limit", problems) {
        limits.memory = memory;
    }
    if let Some((timeout, _)) = fields.parsed::<HumanDuration>("timeout", problems) {
        limits.timeout = timeout.duration();
    }
    if let Some((instructions, _)) = fields.parsed::<Instructions>("max_instructions", problems) {
        limits.instructions = instructions;
    }
    if let Some((concurrency, _)) = fields.parsed::<WholeNumber>("max_concurrency", problems) {
        limits.concurrency = concurrency.0;
    }
    for (key, message) in limit_mistakes(&limits) {
        problems.add(fields.entry(key).map(|entry| entry.node.position), message);
    }
    limits
}
