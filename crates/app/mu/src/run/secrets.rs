//! Values of secrets on this machine: `mu.secrets` beside `mu.yaml`, and `MU_SECRET_NAME` of the shell over it.
//!
//! Variables of the shell count under this prefix only. Without it, a project of someone else's could declare the names
//! of whatever the shell happens to hold, and be given it.

use std::collections::HashMap;
use std::env::VarError;
use std::fs;
use std::io::{self, Read as _};

use mu_invoke::Secrets;
use mu_stack::limits::FILE_BYTES_MAX;
use mu_stack::{SecretName, Stack};

use crate::failure::{Cause, Failure};
use crate::project::{Project, SECRETS_FILE};

/// What the names of such variables begin with.
const PREFIX: &str = "MU_SECRET_";

/// The values of all secrets that the functions of a stack declare.
pub(super) fn secrets(project: &Project, stack: &Stack) -> Result<Secrets, Failure> {
    let mut declared = stack.functions().flat_map(|function| function.secrets.iter().map(move |name| (function, name)));
    let file = read(project)?;
    let value = |name: &SecretName| match std::env::var(format!("{PREFIX}{name}")) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(file.get(name).cloned()),
        Err(VarError::NotUnicode(_)) => {
            Err(Failure::new(Cause::Failed, format!("the value of {PREFIX}{name} is not UTF-8")))
        }
    };
    let found = declared.try_fold(Vec::new(), |mut found, (function, name)| {
        let value = value(name)?.ok_or_else(|| {
            let message = format!("function `{}` declares the secret `{name}`, which has no value here", function.name);
            let file = format!("write `{name}=…` into {SECRETS_FILE} beside mu.yaml");
            Failure::new(Cause::Manifest, message)
                .hint(format!("{file}, and keep that file out of version control; or set {PREFIX}{name}"))
        })?;
        found.push((name.clone(), value));
        Ok::<_, Failure>(found)
    });
    Ok(found?.into_iter().collect())
}

/// What the file says; nothing when there is none.
fn read(project: &Project) -> Result<HashMap<SecretName, String>, Failure> {
    let mut bytes = Vec::new();
    let read = fs::File::open(project.secrets_path())
        .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    match read {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(e) => return Err(Failure::from_error(Cause::Manifest, format!("reading {SECRETS_FILE}"), &e)),
        Ok(_) => {}
    }
    let told = |problem: String| Failure::new(Cause::Manifest, format!("{SECRETS_FILE}{problem}"));
    if bytes.len() > FILE_BYTES_MAX {
        return Err(told(format!(" has more than {FILE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| told(" is not UTF-8".to_owned()))?;
    parse(&text).map_err(|Mistake { line, what }| told(format!(":{line}: {what}")))
}

/// A line that cannot be understood. It is never shown: it may have a value.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    line: usize,
    what: &'static str,
}

/// Lines of `NAME=value`. Empty lines and those that begin with `#` count for nothing, and neither does `export` in front
/// of a name. A value is taken as it stands, without the space around it; in single quotes with it; in double quotes
/// with it and with `\n`, `\t`, `\"` and `\\`. The last of several values counts.
fn parse(text: &str) -> Result<HashMap<SecretName, String>, Mistake> {
    let mut secrets = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let mistake = |what| Mistake { line: index + 1, what };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| mistake("this is not `NAME=value`"))?;
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let name =
            name.parse().map_err(|_| mistake("the name of a secret is of A-Z 0-9 _, and begins with no digit"))?;
        let value = unquoted(value.trim()).ok_or_else(|| mistake("the quotes of the value are not balanced"))?;
        secrets.insert(name, value);
    }
    Ok(secrets)
}

fn unquoted(value: &str) -> Option<String> {
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.strip_suffix('\'').filter(|inner| !inner.contains('\'')).map(str::to_owned);
    }
    let Some(rest) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let (mut unquoted, mut characters) = (String::new(), rest.chars());
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => unquoted.push(match characters.next()? {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            character => unquoted.push(character),
        }
    }
    characters.as_str().is_empty().then_some(unquoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values() {
        let text =
            "# of the shop\n\nA=1\n  export B = two words \nC='# \"x\" '\nD=\"a\\n\\\"b\\\" \\\\\"\nE=\nF=a=b#c\nA=2\n";
        let mut secrets: Vec<_> =
            parse(text).unwrap().into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
        secrets.sort();
        assert_eq!(secrets, ["A:2", "B:two words", "C:# \"x\" ", "D:a\n\"b\" \\", "E:", "F:a=b#c"]);
    }

    #[test]
    fn a_mistake_is_told_without_the_value() {
        for (text, line) in
            [("A=1\nhidden", 2), ("a=hidden", 1), ("=hidden", 1), ("A='hidden", 1), ("\nA=\"hid\" den", 2)]
        {
            let mistake = parse(text).unwrap_err();
            assert_eq!(mistake.line, line, "{text}");
            assert!(!mistake.what.contains("hid"), "{text}");
        }
    }
}
