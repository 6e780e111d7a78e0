//! What a configuration is read from, as the process finds it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use mu_stack::limits::FILE_BYTES_MAX;

use super::mistakes::{Mistake, Mistakes};
use super::origin::Origin;

/// The file that is read from the working directory when none is named.
pub const CONFIG_FILE: &str = "mu-node.yaml";

/// Everything that a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<ConfigFile>,
    /// The variables of the environment.
    pub variables: Vec<(OsString, OsString)>,
    /// Flags, in their order; the last one of a key wins.
    pub flags: Vec<Override>,
    /// What relative paths in variables and flags start from.
    pub working_dir: PathBuf,
}

/// The file of a configuration.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// What messages call it.
    pub name: String,
    /// What relative paths in it start from.
    pub folder: PathBuf,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

/// A flag of the command line that sets a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The key: `gateway.address`.
    pub path: String,
    /// Its value as text; `None` when the flag was not understood.
    pub text: Option<String>,
    /// What messages call the flag: `--gateway`.
    pub flag: String,
}

impl Override {
    /// A flag of its own for a key.
    #[must_use]
    pub fn new(path: &str, text: impl Into<String>, flag: &str) -> Self {
        Self { path: path.to_owned(), text: Some(text.into()), flag: flag.to_owned() }
    }

    /// The argument of `--set`: `section.key=value`. What it lacks is a mistake that loading tells, with all others.
    #[must_use]
    pub fn set(argument: &str) -> Self {
        let (path, text) = match argument.split_once('=') {
            Some((path, text)) => (path.trim(), Some(text.to_owned())),
            None => (argument, None),
        };
        Self { path: path.to_owned(), text, flag: format!("--set {path}") }
    }
}

impl Sources {
    /// What this process finds: the file, [`CONFIG_FILE`] in the working directory if none is named and it is there;
    /// and the environment.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_process(file: Option<&Path>, flags: Vec<Override>) -> Result<Self, Mistakes> {
        let working_dir = std::env::current_dir().unwrap_or_default();
        let file = match file {
            Some(path) => Some(ConfigFile::read(path, &working_dir).map_err(|error| unreadable(path, &error))?),
            None => match ConfigFile::read(Path::new(CONFIG_FILE), &working_dir) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(unreadable(Path::new(CONFIG_FILE), &error)),
            },
        };
        Ok(Self { file, variables: std::env::vars_os().collect(), flags, working_dir })
    }
}

impl ConfigFile {
    fn read(path: &Path, working_dir: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        // One byte over the most is enough to tell that there is too much.
        File::open(working_dir.join(path))?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        let folder = working_dir.join(path.parent().unwrap_or(Path::new("")));
        Ok(Self { name: path.display().to_string(), folder, bytes })
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Mistakes {
    let origin = Origin::File { name: path.display().to_string().into(), position: None };
    let message = format!("the configuration cannot be read: {error}");
    let hint = Some("`--config` names the file; without it, mu-node.yaml of the working directory is read".to_owned());
    Mistake { origin, message, hint }.into()
}
