//! Puts the layers on top of each other.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use mu_stack::closest;

use super::file;
use super::kind::{Default, Key};
use super::mistakes::Collected;
use super::origin::Origin;
use super::read::Reader;
use super::sources::{Override, Sources};
use super::table::{key, keys};
use super::value::Value;
use super::values::Values;

/// What the names of variables begin with.
const PREFIX: &str = "MU_";
/// Variables of functions, which `mu run` reads.
const FUNCTION_PREFIX: &str = "MU_FN_";
/// The variable that sets the filter of the log for every command.
const LOG_VARIABLE: (&str, &str) = ("MU_LOG", "log.filter");

/// The values of all keys.
pub(super) fn read(sources: &Sources, mistakes: &mut Collected) -> Values {
    let mut values = Values::new(|key| default(key, &sources.variables));
    if let Some(file) = &sources.file {
        file::read(file, &mut values, mistakes);
    }
    for (name, text) in ours(&sources.variables) {
        variable(&name, text, sources, &mut values, mistakes);
    }
    for flag in &sources.flags {
        self::flag(flag, sources, &mut values, mistakes);
    }
    for key in keys().filter(|key| matches!(key.default, Default::UserFolder(_))) {
        if *values.value(key.path) == Value::Unset && values.are_sound(&[key.path]) {
            let message = format!("`{}` is not set, and there is no home directory to put it into", key.path);
            mistakes.add(Origin::Default, message, format!("name the directory: {}=…", key.variable()));
        }
        if *values.value(key.path) == Value::Unset {
            // Some path, so that everything else can be checked.
            values.set(key, Some(Value::Path(PathBuf::new())), Origin::Default);
        }
    }
    values
}

fn default(key: &'static Key, variables: &[(OsString, OsString)]) -> Value {
    match &key.default {
        Default::Is(value) => value(),
        Default::Nothing(_) | Default::Required => Value::Unset,
        Default::UserFolder(folder) => {
            let find = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.into());
            folder.path(find).map_or(Value::Unset, Value::Path)
        }
    }
}

/// The variables that may be about the node, `MU_LOG` first: the variable by the name of its key goes before it.
fn ours(variables: &[(OsString, OsString)]) -> Vec<(String, &OsStr)> {
    let named = variables.iter().map(|(name, value)| (name.to_string_lossy().into_owned(), value.as_os_str()));
    let mut ours: Vec<_> =
        named.filter(|(name, _)| name.starts_with(PREFIX) && !name.starts_with(FUNCTION_PREFIX)).collect();
    ours.sort_by(|(a, _), (b, _)| (a != LOG_VARIABLE.0, a).cmp(&(b != LOG_VARIABLE.0, b)));
    ours
}

fn variable(name: &str, text: &OsStr, sources: &Sources, values: &mut Values, mistakes: &mut Collected) {
    let origin = Origin::Variable(name.to_owned());
    let key = if name == LOG_VARIABLE.0 && !text.is_empty() {
        Some(key(LOG_VARIABLE.1))
    } else {
        keys().find(|key| key.variable() == name)
    };
    match (key, text.to_str()) {
        (Some(key), Some(text)) => {
            let value = Reader::new(&origin, &sources.working_dir, mistakes).text(key, text);
            values.set(key, value, origin);
        }
        (Some(key), None) => {
            mistakes.add(origin.clone(), format!("`{}`: the text is not UTF-8", key.path), None);
            values.set(key, None, origin);
        }
        (None, _) => unknown_variable(name, origin, mistakes),
    }
}

/// A variable with two underscores in the middle can only be meant for the node. Others belong to other commands,
/// unless they lack just that.
fn unknown_variable(name: &str, origin: Origin, mistakes: &mut Collected) {
    let names: Vec<String> = keys().map(Key::variable).collect();
    let simple = |name: &str| name.replace("__", "_");
    if name.contains("__") {
        let hint = match closest(name, names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`mu config show` prints every key; `a.b` is set by MU_A__B".to_owned(),
        };
        mistakes.add(origin, "no key of the configuration has this variable", hint);
    } else if let Some(meant) = names.iter().find(|known| known.contains("__") && simple(known) == name) {
        mistakes.add(origin, "this variable sets nothing", format!("did you mean `{meant}`, with two underscores?"));
    }
}

fn flag(flag: &Override, sources: &Sources, values: &mut Values, mistakes: &mut Collected) {
    let origin = Origin::Flag(flag.flag.clone());
    let Some(key) = keys().find(|key| key.path == flag.path) else {
        let hint = match closest(&flag.path, keys().map(|key| key.path)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`mu config show` prints every key".to_owned(),
        };
        return mistakes.add(origin, format!("there is no key `{}`", super::read::shown(&flag.path)), hint);
    };
    let value = match &flag.text {
        None => {
            mistakes.add(origin.clone(), "the flag gives no value", format!("write `--set {}=VALUE`", key.path));
            None
        }
        Some(_) if key.is_secret() => {
            let message =
                format!("`{}` must not stand in a command, where every user of the machine sees it", key.path);
            mistakes.add(origin.clone(), message, format!("set the variable {}", key.variable()));
            None
        }
        Some(text) => Reader::new(&origin, &sources.working_dir, mistakes).text(key, text),
    };
    values.set(key, value, origin);
}
