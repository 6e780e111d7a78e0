//! Text that must not be seen.

use std::fmt;

/// Text that neither logs nor `mu config show` repeat.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether this is the secret, in a time that does not tell how much of it was guessed.
    #[must_use]
    pub fn is(&self, guess: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        let differing = secret.iter().zip(guess).fold(0, |differing, (a, b)| differing | (a ^ b));
        secret.len() == guess.len() && std::hint::black_box(differing) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(set)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_compared_and_not_shown() {
        let secret = Secret::new("open sesame".to_owned());
        for (guess, expected) in [("open sesame", true), ("open sesamf", false), ("open", false), ("", false)] {
            assert_eq!(secret.is(guess.as_bytes()), expected, "{guess}");
        }
        assert_eq!(format!("{secret:?}"), "(set)");
    }
}
