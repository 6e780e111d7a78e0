//! The identity key: what most nodes know somebody by.

use std::str::FromStr as _;

use mu_control::access::SecretKey;
use mu_env::Env;

use super::Home;
use crate::failure::{Cause, Failure};
use crate::terminal;

const KEY_FILE: &str = "identity.key";

impl Home {
    /// The identity key, made when there is none.
    pub(crate) fn identity(&self) -> Result<SecretKey, Failure> {
        let path = self.file(KEY_FILE);
        if let Some(key) = self.existing_identity()? {
            return Ok(key);
        }
        let key = SecretKey::generate(Env::system().random());
        if self.create(&path, format!("{}\n", key.reveal()).as_bytes())? {
            terminal::say(format!("Made an identity key, which is kept in {}", path.display()));
            return Ok(key);
        }
        // Another process made one at the same time.
        let gone = || Failure::new(Cause::Failed, format!("{} is there and is not", path.display()));
        self.existing_identity()?.ok_or_else(gone)
    }

    fn existing_identity(&self) -> Result<Option<SecretKey>, Failure> {
        let path = self.file(KEY_FILE);
        let Some(bytes) = self.read_private(&path)? else { return Ok(None) };
        let key = SecretKey::from_str(String::from_utf8_lossy(&bytes).trim());
        key.map(Some).map_err(|e| {
            Failure::from_error(Cause::Failed, path.display(), &e)
                .hint("put the key back, or move the file away: `mu whoami` then makes another key")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("mu"));
        let key = home.identity().unwrap().client();
        assert_eq!(home.identity().unwrap().client(), key);

        std::fs::write(home.file(KEY_FILE), "sk_nonsense").unwrap();
        let failure = home.identity().unwrap_err();
        assert!(!failure.render().contains("nonsense"), "{}", failure.render());
    }
}
