//! The key from which everything at rest can be read.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mu_env::Random;
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::Sealer;
use crate::cipher::{Cipher, KEY_BYTES, Key, new_key};

/// The root of all keys of a node: 32 random bytes. Whoever loses it loses every object; whoever has it can read them.
///
/// It is erased from memory when dropped and never printed. Nothing is encrypted with it directly: keys for each
/// purpose are derived from it (HKDF with SHA-256).
pub struct RootKey(Key);

/// A root key could not be loaded or made.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The file cannot be read or written.
    #[error("cannot use the root key file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not a root key.
    #[error("the root key file {path} has {bytes} bytes and not {KEY_BYTES}: put the right file back from a copy")]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Someone else can read or change the file.
    #[error("the root key file {path} is open to other users (mode {mode:04o}): run `chmod 600 {path}`")]
    Permissive {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl RootKey {
    /// Loads the key of a file, or makes a new one, durable before this returns.
    ///
    /// The file holds the 32 bytes as they are, with mode 0600. Blocks for a moment.
    ///
    /// # Errors
    /// When the file cannot be read or created, does not have 32 bytes, or is open to other users.
    pub fn load_or_create(path: &Path, random: &Random) -> Result<Self, RootKeyError> {
        let io = |source| RootKeyError::Io { path: path.to_owned(), source };
        if !path.try_exists().map_err(io)? {
            create(path, random).map_err(io)?;
        }
        // Also what was just made is read back: another process may have been first.
        let mut file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        check_mode(path, &metadata)?;
        if metadata.len() != KEY_BYTES as u64 {
            return Err(RootKeyError::WrongSize { path: path.to_owned(), bytes: metadata.len() });
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        io::Read::read_exact(&mut file, &mut key[..]).map_err(io)?;
        Ok(Self(key))
    }

    /// A key from bytes that come from elsewhere.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Encrypts small values for `purpose`, with a key that is derived for it alone. What one purpose has sealed, no
    /// other opens.
    #[must_use]
    pub fn sealer(&self, purpose: &str) -> Sealer {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        self.derive(&format!("mu sealer: {purpose}"), &mut key[..]);
        Sealer::new(&key, purpose)
    }

    /// The cipher that wraps the keys of boxes.
    pub(crate) fn box_cipher(&self) -> Cipher {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        self.derive("mu storage: box keys", &mut key[..]);
        Cipher::new(&key)
    }

    /// Tells this key from others without revealing anything about it.
    pub(crate) fn id(&self) -> [u8; 8] {
        let mut id = [0; 8];
        self.derive("mu storage: root key id", &mut id);
        id
    }

    fn derive(&self, purpose: &str, out: &mut [u8]) {
        struct Length(usize);
        impl KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let secret: Prk = Salt::new(HKDF_SHA256, b"mu").extract(&self.0[..]);
        let info = [purpose.as_bytes()];
        let derived = secret.expand(&info, Length(out.len())).and_then(|derived| derived.fill(out));
        derived.expect("the length is below the limit of HKDF");
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

/// Writes a new key file, whole or not at all. Leaves a file that appeared meanwhile alone.
fn create(path: &Path, random: &Random) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    // Such files have mode 0600 from the start.
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(&new_key(random)[..])?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error),
    }
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), RootKeyError> {
    let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(RootKeyError::Permissive { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata) -> Result<(), RootKeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use mu_env::{Env, Timestamp};

    use super::*;

    fn random() -> Random {
        Env::simulated(1, Timestamp::from_micros(0)).random().clone()
    }

    #[test]
    fn a_key_is_made_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/root.key");
        let random = random();
        let made = RootKey::load_or_create(&path, &random).unwrap();
        let loaded = RootKey::load_or_create(&path, &random).unwrap();
        assert_eq!(made.0, loaded.0);
        assert_ne!(made.0[..], [0; KEY_BYTES]);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn nothing_is_printed() {
        assert_eq!(format!("{:?}", RootKey::from_bytes([7; KEY_BYTES])), "RootKey(..)");
    }

    #[cfg(unix)]
    #[test]
    fn unsafe_or_wrong_files_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        for (bytes, mode, message) in [
            (32, 0o644, "the root key file root.key is open to other users (mode 0644): run `chmod 600 root.key`"),
            (32, 0o620, "the root key file root.key is open to other users (mode 0620): run `chmod 600 root.key`"),
            (31, 0o600, "the root key file root.key has 31 bytes and not 32: put the right file back from a copy"),
            (0, 0o600, "the root key file root.key has 0 bytes and not 32: put the right file back from a copy"),
            (33, 0o400, "the root key file root.key has 33 bytes and not 32: put the right file back from a copy"),
        ] {
            let _ = fs::remove_file(&path);
            fs::write(&path, vec![1; bytes]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = RootKey::load_or_create(&path, &random()).unwrap_err();
            assert_eq!(error.to_string().replace(&path.display().to_string(), "root.key"), message);
            assert_eq!(fs::read(&path).unwrap().len(), bytes, "it is left alone");
        }
        fs::remove_file(&path).unwrap();
        RootKey::load_or_create(&path, &random()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// Changing a derivation makes every object of every node unreadable.
    #[test]
    fn golden_derivations() {
        let root = RootKey::from_bytes([1; KEY_BYTES]);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&root.id()), "2f885805630e0c68");
        assert_eq!(hex(&root.box_cipher().seal([0; 12], b"", &mut [])), "31a9203eb50b5989b003450ad6a95916");
    }
}
