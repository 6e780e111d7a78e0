//! The number of a version, and shares of the requests, as people write them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of a version of a stack: `v3` or `3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct VersionNumber(u64);

/// A version's share of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Weight {
    pub(crate) version: VersionNumber,
    /// In percent.
    pub(crate) weight: u8,
}

/// Shares that add up to 100: `v3=90,v4=10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weights(pub(crate) Vec<Weight>);

/// The text is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is a number from 1 on, like v3")]
pub(crate) struct ParseVersionError;

/// The text is no list of shares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseWeightsError {
    #[error("shares are written like v3=90,v4=10: {0}")]
    Version(#[from] ParseVersionError),
    #[error("shares are written like v3=90,v4=10: a version, `=` and 1 to 100 percent")]
    Share,
    #[error("{0} stands there twice")]
    Twice(VersionNumber),
    #[error("the shares add up to {0} instead of 100")]
    Sum(u32),
}

impl Weights {
    /// Everything to one version.
    pub(crate) fn all_to(version: VersionNumber) -> Self {
        Self(vec![Weight { version, weight: 100 }])
    }
}

impl FromStr for VersionNumber {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let digits = text.strip_prefix('v').unwrap_or(text);
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|number| is_number && *number > 0);
        number.map(Self).ok_or(ParseVersionError)
    }
}

impl FromStr for Weights {
    type Err = ParseWeightsError;

    fn from_str(text: &str) -> Result<Self, ParseWeightsError> {
        let (mut weights, mut seen, mut sum) = (Vec::new(), BTreeSet::new(), 0);
        for share in text.split(',') {
            let (version, weight) = share.trim().split_once('=').ok_or(ParseWeightsError::Share)?;
            let version: VersionNumber = version.trim().parse()?;
            let weight = weight.trim().trim_end_matches('%').parse().ok();
            let weight: u8 = weight.filter(|weight| (1..=100).contains(weight)).ok_or(ParseWeightsError::Share)?;
            if !seen.insert(version) {
                return Err(ParseWeightsError::Twice(version));
            }
            sum += u32::from(weight);
            weights.push(Weight { version, weight });
        }
        if sum == 100 { Ok(Self(weights)) } else { Err(ParseWeightsError::Sum(sum)) }
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("v{}", self.0))
    }
}

/// How shares are shown: `v3 90%, v4 10%`.
pub(crate) fn shares(weights: &[Weight]) -> String {
    let shares = weights.iter().map(|share| format!("{} {}%", share.version, share.weight));
    shares.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        for (text, expected) in
            [("v3", Some(3)), ("12", Some(12)), ("0", None), ("v", None), ("+3", None), ("vv3", None)]
        {
            assert_eq!(text.parse::<VersionNumber>().ok(), expected.map(VersionNumber), "{text}");
        }
        assert_eq!(VersionNumber(7).to_string(), "v7");
    }

    #[test]
    fn shares_add_up() {
        let read = |text: &str| text.parse::<Weights>().map(|weights| shares(&weights.0)).map_err(|e| e.to_string());
        for (text, expected) in [
            ("v3=90,v4=10", Ok("v3 90%, v4 10%")),
            ("3=50%, 4=50%", Ok("v3 50%, v4 50%")),
            ("v1=100", Ok("v1 100%")),
            ("v1=90", Err("the shares add up to 90 instead of 100")),
            ("v1=50,v1=50", Err("v1 stands there twice")),
            ("v1", Err("shares are written like v3=90,v4=10: a version, `=` and 1 to 100 percent")),
            ("v1=0,v2=100", Err("shares are written like v3=90,v4=10: a version, `=` and 1 to 100 percent")),
            ("x=100", Err("shares are written like v3=90,v4=10: a version is a number from 1 on, like v3")),
            ("", Err("shares are written like v3=90,v4=10: a version, `=` and 1 to 100 percent")),
        ] {
            assert_eq!(read(text), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
