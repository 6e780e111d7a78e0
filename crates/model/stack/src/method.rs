//! The seven HTTP methods that routes know, and small sets of them.

use std::fmt;
use std::str::FromStr;

/// An HTTP method. The numbers are those of the protobuf form and of the messages to functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Method {
    /// `GET`
    Get = 0,
    /// `HEAD`
    Head = 1,
    /// `POST`
    Post = 2,
    /// `PUT`
    Put = 3,
    /// `PATCH`
    Patch = 4,
    /// `DELETE`
    Delete = 5,
    /// `OPTIONS`
    Options = 6,
}

/// A text that is not one of the seven methods.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a method; use get, head, post, put, patch, delete or options")]
pub struct ParseMethodError {
    /// The start of what was written.
    pub text: String,
}

impl Method {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// As it stands on the wire: `GET`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// As manifests write it: `get`.
    #[must_use]
    pub const fn as_lower_case(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Options => "options",
        }
    }

    /// The number of the method in the protobuf form and in messages to functions.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The method with that number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Reads `get` or `GET`; mixed case is not a method.
impl FromStr for Method {
    type Err = ParseMethodError;

    fn from_str(text: &str) -> Result<Self, ParseMethodError> {
        Self::ALL
            .into_iter()
            .find(|method| text == method.as_str() || text == method.as_lower_case())
            .ok_or_else(|| ParseMethodError { text: text.chars().take(32).collect() })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of methods. Its text is the value of an `Allow` header: `GET, HEAD, OPTIONS`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MethodSet(u8);

impl MethodSet {
    /// No method.
    pub const EMPTY: Self = Self(0);

    /// This set and one more method.
    #[must_use]
    pub const fn with(self, method: Method) -> Self {
        Self(self.0 | 1 << method.code())
    }

    /// Whether the method is in the set.
    #[must_use]
    pub const fn contains(self, method: Method) -> bool {
        self.0 & 1 << method.code() != 0
    }

    /// Whether there is no method in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The methods, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |&method| self.contains(method))
    }
}

impl FromIterator<Method> for MethodSet {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        methods.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_two_spellings_and_a_number() {
        for (number, method) in (0..).zip(Method::ALL) {
            assert_eq!(method.as_str().parse(), Ok(method));
            assert_eq!(method.as_lower_case().parse(), Ok(method));
            assert_eq!(method.as_str().to_ascii_lowercase(), method.as_lower_case());
            assert_eq!((method.code(), Method::from_code(number)), (number, Some(method)));
        }
        assert_eq!(Method::from_code(7), None);
        for bad in ["", "Get", "trace", "CONNECT", "get "] {
            assert!(bad.parse::<Method>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_set_prints_as_an_allow_header() {
        let set: MethodSet = [Method::Options, Method::Get, Method::Get].into_iter().collect();
        assert_eq!(set.to_string(), "GET, OPTIONS");
        assert!(set.contains(Method::Get) && !set.contains(Method::Put) && !set.is_empty());
        assert_eq!(MethodSet::EMPTY.to_string(), "");
    }
}
