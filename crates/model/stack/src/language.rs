//! The languages that `mu build` knows how to build.

use std::fmt;

use crate::stack::Runtime;

/// A language with a build of its own: `lang` in `mu.yaml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// `rust`: a cargo package.
    Rust,
    /// `js`: a package of npm, in JavaScript or TypeScript.
    JavaScript,
    /// `python`: a folder with `main.py`.
    Python,
    /// `go`: a module of Go.
    Go,
    /// `c`: a folder of C files.
    C,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rust, Self::JavaScript, Self::Python, Self::Go, Self::C];

    /// As manifests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
        }
    }

    /// As people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::C => "C",
        }
    }

    /// The runtimes that its build can make artifacts for; the first is meant when a manifest names none.
    #[must_use]
    pub const fn runtimes(self) -> &'static [Runtime] {
        match self {
            Self::Rust => &[Runtime::Wasi1, Runtime::WasiHttp],
            Self::JavaScript | Self::Python => &[Runtime::WasiHttp],
            Self::Go | Self::C => &[Runtime::Wasi1],
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
