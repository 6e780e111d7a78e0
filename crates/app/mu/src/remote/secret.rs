//! `mu secret`: values that functions get and nobody reads back.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use inquire::{Password, PasswordDisplayMode};
use serde::Deserialize;
use serde_json::json;

use super::{Certainty, OnStack, read_text};
use crate::client::{Call, Limit, path};
use crate::failure::{Cause, Failure};
use crate::output::{OutputArgs, or_dash, short_time};
use crate::terminal::{self, BOLD};

/// Largest value, in bytes.
const VALUE_BYTES_MAX: u64 = 64 * 1024;

/// Manage the secrets of a stack
///
/// Functions get them as environment variables. They are stored encrypted, and never shown again.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Set a secret to what stands on standard input, or in a file
    ///
    /// On a terminal it is asked for. A line break at the end of standard input is not part of it; a file is taken as it
    /// is.
    Set {
        /// Its name, which is that of the environment variable
        name: String,
        /// Read the value from this file
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
        #[command(flatten)]
        stack: OnStack,
    },
    /// List the secrets of a stack, without their values
    List {
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Encrypt all secrets of a stack anew, under fresh keys
    Rotate {
        #[command(flatten)]
        stack: OnStack,
    },
    /// Delete a secret
    Delete {
        name: String,
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        certainty: Certainty,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SecretView {
    name: String,
    version: Option<u64>,
    created_at: String,
    by: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RotatedView {
    rotated: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Set { name, from_file, stack } => {
            let (client, stack) = stack.connect()?;
            let value = value(name, from_file.as_ref())?;
            let at = path(&["stacks", &stack, "secrets", name]);
            client.tell(&Call::order(Method::PUT, at, &json!({"value": text(value)?})))?;
            terminal::say(format!("Set {BOLD}{name}{BOLD:#} of {stack}"));
            Ok(())
        }
        Command::List { stack, limit, output } => {
            let (client, stack) = stack.connect()?;
            let secrets = client.list(&path(&["stacks", &stack, "secrets"]), &[], *limit)?;
            output.output.list(&secrets, ["NAME", "VERSION", "SET", "BY"], |secret: SecretView| {
                let version = or_dash(secret.version.map(|version| version.to_string()));
                [secret.name, version, short_time(&secret.created_at), secret.by]
            })
        }
        Command::Rotate { stack } => {
            let (client, stack) = stack.connect()?;
            let call = Call::order(Method::POST, path(&["stacks", &stack, "secrets", "rotate"]), &json!({}));
            let RotatedView { rotated } = client.ask(&call)?;
            let what = if rotated == 1 { "version" } else { "versions" };
            terminal::say(format!("Encrypted the secrets of {stack} anew: {rotated} {what}"));
            Ok(())
        }
        Command::Delete { name, stack, certainty } => {
            let (client, stack) = stack.connect()?;
            certainty.confirm(&format!("Delete secret {name} of {stack} on {}?", client.address()))?;
            Ok(client.tell(&Call::delete(path(&["stacks", &stack, "secrets", name])))?)
        }
    }
}

/// The value: from the file, from whoever sits there, or from standard input.
fn value(name: &str, from_file: Option<&PathBuf>) -> Result<Vec<u8>, Failure> {
    if let Some(file) = from_file {
        return read_text(Some(file), VALUE_BYTES_MAX);
    }
    if terminal::is_interactive() {
        let question = format!("Value of {name}:");
        let asked = Password::new(&question).with_display_mode(PasswordDisplayMode::Masked).without_confirmation();
        let value = asked.prompt().map_err(|_| Failure::new(Cause::Failed, "nothing was set"))?;
        return Ok(value.into_bytes());
    }
    let mut value = read_text(None, VALUE_BYTES_MAX + 1)?;
    if value.pop_if(|byte| *byte == b'\n').is_some() {
        value.pop_if(|byte| *byte == b'\r');
    }
    Ok(value)
}

/// The value as text: functions get it as an environment variable. A value that is none is not repeated.
fn text(value: Vec<u8>) -> Result<String, Failure> {
    let text = String::from_utf8(value).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| {
        Failure::new(Cause::Failed, "the value is not text in UTF-8, which an environment variable is")
            .hint("write other bytes in base64, and let the function read that")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_text() {
        assert_eq!(text(b"a\nb".to_vec()).unwrap(), "a\nb");
        for value in [&b"\xff"[..], b"a\0b"] {
            assert_eq!(text(value.to_vec()).unwrap_err().cause(), Cause::Failed);
        }
    }
}
