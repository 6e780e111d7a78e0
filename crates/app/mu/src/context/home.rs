//! The folder that keeps contexts, tokens and the identity key.

use std::fs::{self, DirBuilder};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{ContextName, Contexts};
use crate::client::BearerToken;
use crate::failure::{Cause, Failure};
use crate::file;

const CONTEXTS_FILE: &str = "contexts.yaml";
const TOKENS_FOLDER: &str = "tokens";

/// Largest file that is read here, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// `mu` in the user's folder for configuration.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    /// The one of whoever runs this: `$XDG_CONFIG_HOME/mu`, or `~/.config/mu`.
    pub(crate) fn find() -> Result<Self, Failure> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        folder.map(|folder| Self::at(folder.join("mu"))).ok_or_else(|| {
            Failure::new(Cause::Failed, "neither XDG_CONFIG_HOME nor HOME names a folder to keep contexts and keys in")
                .hint("set one of them to an absolute path")
        })
    }

    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The contexts; none when there is no file.
    pub(crate) fn contexts(&self) -> Result<Contexts, Failure> {
        let path = self.file(CONTEXTS_FILE);
        let Some(bytes) = self.read(&path)? else { return Ok(Contexts::default()) };
        Contexts::parse(&bytes).map_err(|e| {
            Failure::new(Cause::Failed, format!("{}: {e}", path.display()))
                .hint("mend the file, or move it away and sign in again with `mu login URL`")
        })
    }

    pub(crate) fn write_contexts(&self, contexts: &Contexts) -> Result<(), Failure> {
        self.write(&self.file(CONTEXTS_FILE), contexts.render().as_bytes())
    }

    /// The token of a context.
    pub(crate) fn token(&self, context: &ContextName) -> Result<BearerToken, Failure> {
        let path = self.token_file(context);
        let missing = || {
            Failure::new(
                Cause::Unauthenticated,
                format!("the token of context `{context}` is gone: {}", path.display()),
            )
            .hint("`mu login URL --token-stdin` keeps another one")
        };
        let bytes = self.read_private(&path)?.ok_or_else(missing)?;
        BearerToken::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|e| Failure::from_error(Cause::Unauthenticated, path.display(), &e))
    }

    pub(crate) fn write_token(&self, context: &ContextName, token: &BearerToken) -> Result<(), Failure> {
        self.write(&self.token_file(context), format!("{}\n", token.reveal()).as_bytes())
    }

    pub(crate) fn remove_token(&self, context: &ContextName) -> Result<(), Failure> {
        let path = self.token_file(context);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(&path, &e)),
            _ => Ok(()),
        }
    }

    fn token_file(&self, context: &ContextName) -> PathBuf {
        self.folder.join(TOKENS_FOLDER).join(context.as_str())
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let mut bytes = Vec::new();
        match fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed(path, &e)),
        }
    }

    /// Reads a secret, unless others can read it too.
    pub(super) fn read_private(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
                let message = format!("{} is a secret, and others on this machine may read it", path.display());
                Err(Failure::new(Cause::Failed, message).hint(format!("chmod 600 {}", path.display())))
            }
            _ => self.read(path),
        }
    }

    fn write(&self, path: &Path, contents: &[u8]) -> Result<(), Failure> {
        self.make_parent(path).and_then(|()| file::write_privately(path, contents)).map_err(|e| failed(path, &e))
    }

    /// Writes a file that is not there; whether it was not.
    pub(super) fn create(&self, path: &Path, contents: &[u8]) -> Result<bool, Failure> {
        match self.make_parent(path).and_then(|()| file::create_privately(path, contents)) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(failed(path, &e)),
        }
    }

    /// Makes the folder of a file, which nobody else looks into.
    fn make_parent(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), |folder| DirBuilder::new().recursive(true).mode(0o700).create(folder))
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::from_error(Cause::Failed, path.display(), error)
}

#[cfg(test)]
mod tests {
    use super::super::{Context, Proof};
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_its_owner_reads_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("config/mu"));
        assert_eq!(home.contexts().unwrap(), Contexts::default());

        let name: ContextName = "local".parse().unwrap();
        let mut contexts = Contexts { current: Some(name.clone()), ..Contexts::default() };
        let address = "http://127.0.0.1:12000".parse().unwrap();
        contexts.all.insert(name.clone(), Context { address, proof: Proof::Token, principal: None, ca_file: None });
        home.write_contexts(&contexts).unwrap();
        home.write_token(&name, &BearerToken::parse("mu_t").unwrap()).unwrap();
        assert_eq!(home.contexts().unwrap(), contexts);
        assert_eq!(home.token(&name).unwrap().reveal(), "mu_t");
        assert_eq!(mode(&home.file(CONTEXTS_FILE)), 0o600);
        assert_eq!(mode(&home.token_file(&name)), 0o600);
        assert_eq!(mode(&home.folder), 0o700);

        fs::set_permissions(home.token_file(&name), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(home.token(&name).unwrap_err().message().contains("others on this machine may read it"));
        home.remove_token(&name).unwrap();
        home.remove_token(&name).unwrap();
        assert!(home.token(&name).is_err());
    }
}
