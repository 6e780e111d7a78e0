//! Which versions of a stack get which part of its traffic.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::VersionNumber;
use super::limits::ROUTED_VERSIONS_MAX;

/// One to four versions, whose weights add up to 100. Newest first, so that equal routings are written the same way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Weight>", into = "Vec<Weight>")]
pub struct Routing(Vec<Weight>);

/// The part of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Weight {
    /// The version.
    pub version: VersionNumber,
    /// Its part in percent: 1 to 100.
    pub percent: u8,
}

/// The weights make no routing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRouting {
    /// None, or too many versions.
    #[error("traffic is split among 1 to {ROUTED_VERSIONS_MAX} versions, not {count}")]
    Count {
        /// How many.
        count: usize,
    },
    /// A version without a part.
    #[error("the weight of version {version} is {percent}: it has to be 1 to 100; leave out versions without traffic")]
    Weight {
        /// The version.
        version: VersionNumber,
        /// Its weight.
        percent: u8,
    },
    /// A version is there twice.
    #[error("version {version} has two weights")]
    Twice {
        /// The version.
        version: VersionNumber,
    },
    /// The weights don't add up.
    #[error("the weights add up to {sum}: they have to be 100 together")]
    Sum {
        /// Their sum.
        sum: u32,
    },
    /// The text is not a list of weights.
    #[error("`{text}` is not a weight: write `v3=90,v4=10`")]
    Text {
        /// The start of what was written.
        text: String,
    },
}

impl Routing {
    /// A routing of these weights.
    ///
    /// # Errors
    /// [`InvalidRouting`].
    pub fn new(mut weights: Vec<Weight>) -> Result<Self, InvalidRouting> {
        if !(1..=ROUTED_VERSIONS_MAX).contains(&weights.len()) {
            return Err(InvalidRouting::Count { count: weights.len() });
        }
        let mut seen = BTreeSet::new();
        for &Weight { version, percent } in &weights {
            if !(1..=100).contains(&percent) {
                return Err(InvalidRouting::Weight { version, percent });
            }
            if !seen.insert(version) {
                return Err(InvalidRouting::Twice { version });
            }
        }
        let sum = weights.iter().map(|weight| u32::from(weight.percent)).sum();
        if sum != 100 {
            return Err(InvalidRouting::Sum { sum });
        }
        weights.sort_by_key(|weight| std::cmp::Reverse(weight.version));
        Ok(Self(weights))
    }

    /// All traffic to one version.
    #[must_use]
    pub fn only(version: VersionNumber) -> Self {
        Self(vec![Weight { version, percent: 100 }])
    }

    /// A part of the traffic to one version and the rest to another one. A part of 100 % or more leaves nothing to the
    /// other, and one of 0 % is 1 %.
    #[must_use]
    pub fn split(version: VersionNumber, percent: u8, rest: VersionNumber) -> Self {
        if percent >= 100 || version == rest {
            return Self::only(version);
        }
        let percent = percent.max(1);
        let mut weights = vec![Weight { version, percent }, Weight { version: rest, percent: 100 - percent }];
        weights.sort_by_key(|weight| std::cmp::Reverse(weight.version));
        Self(weights)
    }

    /// The weights, newest version first.
    #[must_use]
    pub fn weights(&self) -> &[Weight] {
        &self.0
    }

    /// The versions, newest first.
    pub fn versions(&self) -> impl Iterator<Item = VersionNumber> {
        self.0.iter().map(|weight| weight.version)
    }

    /// The version that gets all traffic, if one does.
    #[must_use]
    pub fn sole_version(&self) -> Option<VersionNumber> {
        match self.0[..] {
            [Weight { version, .. }] => Some(version),
            _ => None,
        }
    }
}

impl TryFrom<Vec<Weight>> for Routing {
    type Error = InvalidRouting;

    fn try_from(weights: Vec<Weight>) -> Result<Self, InvalidRouting> {
        Self::new(weights)
    }
}

impl From<Routing> for Vec<Weight> {
    fn from(routing: Routing) -> Self {
        routing.0
    }
}

/// Reads `v3=90,v4=10`.
impl FromStr for Routing {
    type Err = InvalidRouting;

    fn from_str(text: &str) -> Result<Self, InvalidRouting> {
        let weight = |part: &str| {
            let (version, percent) = part.split_once('=')?;
            let is_number = percent.bytes().all(|byte| byte.is_ascii_digit());
            let percent = is_number.then(|| percent.parse().ok()).flatten()?;
            Some(Weight { version: version.parse().ok()?, percent })
        };
        let mut weights = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            weights.push(weight(part).ok_or_else(|| InvalidRouting::Text { text: part.chars().take(32).collect() })?);
        }
        Self::new(weights)
    }
}

/// Prints `v4=10,v3=90`.
impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(|weight| format!("{}={}", weight.version, weight.percent)).collect();
        f.pad(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> VersionNumber {
        number.try_into().unwrap()
    }

    #[test]
    fn routings_survive_text() {
        for (text, written) in
            [("v3=90,v4=10", "v4=10,v3=90"), ("3=100", "v3=100"), (" v1=1 , v2=1,v3=97, v4=1", "v4=1,v3=97,v2=1,v1=1")]
        {
            let routing: Routing = text.parse().unwrap();
            assert_eq!(routing.to_string(), written);
            assert_eq!(written.parse(), Ok(routing));
        }
        for (text, message) in [
            ("", "`` is not a weight: write `v3=90,v4=10`"),
            ("v3", "`v3` is not a weight: write `v3=90,v4=10`"),
            ("v3=x", "`v3=x` is not a weight: write `v3=90,v4=10`"),
            ("v3=+5", "`v3=+5` is not a weight: write `v3=90,v4=10`"),
            ("v3=256", "`v3=256` is not a weight: write `v3=90,v4=10`"),
            ("v3=90,v4=11", "the weights add up to 101: they have to be 100 together"),
            ("v3=50,v3=50", "version v3 has two weights"),
            ("v3=100,v4=0", "the weight of version v4 is 0: it has to be 1 to 100; leave out versions without traffic"),
            ("1=20,2=20,3=20,4=20,5=20", "traffic is split among 1 to 4 versions, not 5"),
        ] {
            assert_eq!(text.parse::<Routing>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn stored_routings_are_checked() {
        let routing = Routing::split(version(4), 10, version(3));
        let json = r#"[{"version":4,"percent":10},{"version":3,"percent":90}]"#;
        assert_eq!(serde_json::to_string(&routing).unwrap(), json);
        assert_eq!(serde_json::from_str::<Routing>(json).unwrap(), routing);
        assert!(serde_json::from_str::<Routing>("[]").is_err());
    }

    #[test]
    fn splits_are_routings() {
        for percent in 0..=255 {
            for (new, old) in [(2, 1), (1, 2), (1, 1)] {
                let routing = Routing::split(version(new), percent, version(old));
                assert_eq!(Routing::new(routing.weights().to_vec()), Ok(routing.clone()));
                assert_eq!(routing.sole_version().is_some(), percent >= 100 || new == old);
            }
        }
    }
}
