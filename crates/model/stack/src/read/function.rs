//! Reads a function, as `mu.yaml` or the form of a deployed stack writes it.

use crate::duration::HumanDuration;
use crate::env::Env;
use crate::instructions::Instructions;
use crate::keys::{LANGUAGES, RUNTIMES};
use crate::limits::{INSTRUCTIONS_MAX, MEMORY_MAX, MEMORY_MIN, PATH_BYTES_MAX, TIMEOUT_MAX, TIMEOUT_MIN};
use crate::manifest::{Build, FunctionManifest};
use crate::name::FunctionName;
use crate::problem::{Problems, outside};
use crate::size::ByteSize;
use crate::stack::{Artifact, Function, FunctionLimits, Runtime};

use super::{Fields, shown};

/// A function of `mu.yaml`.
pub(crate) fn of_manifest(
    name: Option<FunctionName>,
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> Option<FunctionManifest> {
    let build = build(fields, problems);
    let module = path(fields, "module", problems);
    let source = path(fields, "source", problems);
    let runtime = runtime(fields, problems);
    let env = variables(fields, "env", problems);
    let env_dev = variables(fields, "env_dev", problems);
    if let (Err(error), Some(entry)) = (env.overlaid(&env_dev), fields.entry("env_dev")) {
        problems.add(entry.node.position, format!("together with `env`: {error}"));
    }
    let limits = limits(fields, problems);
    let name = name?;
    let module = module.or_else(|| match build {
        Build::Rust => Some(format!("modules/{name}.wasm")),
        Build::Command(_) | Build::None => None,
    })?;
    let source = source.unwrap_or_else(|| format!("functions/{name}"));
    Some(FunctionManifest::new(name, build, source, module, runtime, env, env_dev, limits))
}

/// A function of a deployed stack.
pub(crate) fn of_stack(name: Option<FunctionName>, fields: &Fields<'_>, problems: &mut Problems) -> Option<Function> {
    let binary = fields.parsed_text("binary", problems);
    let runtime = runtime(fields, problems);
    let env = variables(fields, "env", problems);
    let limits = limits(fields, problems);
    Some(Function { name: name?, artifact: Artifact::Binary(binary?.0), runtime, env, limits })
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
    ]
    .into_iter()
    .filter_map(|(key, message)| Some((key, message?)))
    .collect()
}

/// How the module comes to be; notes when nothing says so.
fn build(fields: &Fields<'_>, problems: &mut Problems) -> Build {
    let advice = "only `rust` has a built-in build; for another language write `build` and `module`";
    let lang = fields.word("lang", &LANGUAGES, advice, problems);
    let command = fields.text("build", problems);
    let written = |key| fields.entry(key);
    if let (Some(_), Some(build)) = (written("lang"), written("build")) {
        let hint = "`lang: rust` has its own build; keep one of the two".to_owned();
        problems.hint(build.position, "a function has `lang` or `build`, not both", hint);
    }
    if written("lang").is_none() && written("module").is_none() {
        let message = match written("build") {
            Some(_) => "`build` is there, but not `module`, the file that it makes",
            None => "nothing says where the function's code is",
        };
        let hint = "add `lang: rust`, or `module` and perhaps a `build` command that makes it".to_owned();
        problems.hint(fields.position(), message, hint);
    }
    match (lang, command) {
        (Some(_), _) => Build::Rust,
        (None, Some((command, position))) => {
            if command.trim().is_empty() || command.len() > PATH_BYTES_MAX || command.contains('\0') {
                problems.add(position, format!("`build` is a command of 1 to {PATH_BYTES_MAX} bytes"));
            }
            Build::Command(command.to_owned())
        }
        (None, None) => Build::None,
    }
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

fn runtime(fields: &Fields<'_>, problems: &mut Problems) -> Runtime {
    // There is one; the word is checked all the same.
    let _ = fields.word("runtime", &RUNTIMES, "the one runtime is `wasi1.0`", problems);
    Runtime::Wasi1
}

/// Variables; numbers and booleans count as the text they are written as.
fn variables(fields: &Fields<'_>, key: &str, problems: &mut Problems) -> Env {
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
    for (key, message) in limit_mistakes(&limits) {
        problems.add(fields.entry(key).map(|entry| entry.node.position), message);
    }
    limits
}
