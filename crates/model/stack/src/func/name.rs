//! The name of a function in its file, which is also the path of its image.

use std::fmt;
use std::str::FromStr;

use crate::image_ref::{ImageRef, InvalidImage};
use crate::limits::NAME_BYTES_MAX;
use crate::name::{FunctionName, NameError};

use super::FuncVersion;

/// `hello`, or with a repository of its own, `me/hello`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuncName {
    text: String,
    function: FunctionName,
}

/// Why a text is not the name of a function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FuncNameError {
    /// It is longer than names are.
    #[error("a function name has at most {NAME_BYTES_MAX} bytes, this one has {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// What stands behind the last slash is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What stands before it is not the path of images.
    #[error("`{repository}` before the function's name is not the repository of an image")]
    Repository {
        /// What stands there.
        repository: String,
    },
}

impl FuncName {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The function's name: what stands behind the last slash.
    #[must_use]
    pub fn function(&self) -> &FunctionName {
        &self.function
    }

    /// The image of a version: `REGISTRY/NAME:VERSION`. A name with a repository of its own takes no registry.
    ///
    /// # Errors
    /// When that is not the name of an image, because the registry is none or the name has capital letters.
    pub fn image(&self, registry: Option<&str>, version: &FuncVersion) -> Result<ImageRef, InvalidImage> {
        let registry = registry.map(|registry| registry.trim_end_matches('/')).filter(|text| !text.is_empty());
        match registry.filter(|_| !self.text.contains('/')) {
            Some(registry) => format!("{registry}/{}:{version}", self.text).parse(),
            None => format!("{}:{version}", self.text).parse(),
        }
    }
}

impl From<FunctionName> for FuncName {
    fn from(function: FunctionName) -> Self {
        Self { text: function.to_string(), function }
    }
}

impl FromStr for FuncName {
    type Err = FuncNameError;

    fn from_str(text: &str) -> Result<Self, FuncNameError> {
        if text.len() > NAME_BYTES_MAX {
            return Err(FuncNameError::TooLong { bytes: text.len() });
        }
        let (repository, name) =
            text.rsplit_once('/').map_or((None, text), |(repository, name)| (Some(repository), name));
        let function = name.parse()?;
        if let Some(repository) = repository.filter(|repository| format!("{repository}/a").parse::<ImageRef>().is_err())
        {
            return Err(FuncNameError::Repository { repository: repository.to_owned() });
        }
        Ok(Self { text: text.to_owned(), function })
    }
}

impl fmt::Display for FuncName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_function_and_of_its_images() {
        let version = FuncVersion::default();
        for (name, function, registry, image) in [
            ("hello", "hello", None, "hello:0.0.1"),
            ("hello", "hello", Some(""), "hello:0.0.1"),
            ("hello", "hello", Some("me"), "me/hello:0.0.1"),
            ("hello", "hello", Some("localhost:5000"), "localhost:5000/hello:0.0.1"),
            ("hello", "hello", Some("registry.example/team/"), "registry.example/team/hello:0.0.1"),
            ("you/hello", "hello", Some("me"), "you/hello:0.0.1"),
            ("registry.example:443/you/hello", "hello", None, "registry.example:443/you/hello:0.0.1"),
        ] {
            let name: FuncName = name.parse().unwrap();
            assert_eq!(name.function().as_str(), function);
            assert_eq!(name.image(registry, &version).unwrap().as_str(), image);
        }
        assert!("Hello".parse::<FuncName>().unwrap().image(None, &version).is_err());
        assert!("hello".parse::<FuncName>().unwrap().image(Some("a b"), &version).is_err());
        for (bad, message) in [
            ("", "a function name must not be empty"),
            ("me/", "a function name must not be empty"),
            ("/hello", "`` before the function's name is not the repository of an image"),
            ("Me/hello", "`Me` before the function's name is not the repository of an image"),
            ("he llo", "a function name can't contain ' '"),
            (&"x/".repeat(128), "a function name has at most 255 bytes, this one has 256"),
        ] {
            let error = bad.parse::<FuncName>().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
