//! A func file as it was read.

use std::fmt;

use crate::env::Env;
use crate::image_ref::ImageRef;
use crate::problem::{Position, Problems, Report};

use super::{Annotations, FuncLimits, FuncName, FuncRuntime, FuncVersion, Trigger, read};

/// A func file: `func.yaml`, `func.yml` or `func.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct FuncFile {
    /// By which rules it was read.
    pub schema: FuncSchema,
    /// Its name; without it, the folder's.
    pub name: Option<FuncName>,
    /// Its version, the tag of its image.
    pub version: FuncVersion,
    /// What it is written in.
    pub runtime: Option<FuncRuntime>,
    /// The image to build in, in place of that of the runtime.
    pub build_image: Option<ImageRef>,
    /// The image to run on, in place of that of the runtime.
    pub run_image: Option<ImageRef>,
    /// The words of the command, arguments of the entry point; none where the runtime says it.
    pub cmd: Vec<String>,
    /// The words of the entry point; none where the runtime says it.
    pub entrypoint: Vec<String>,
    /// The type of what it is called with, when a command line doesn't say another.
    pub content_type: Option<String>,
    /// What a call may use.
    pub limits: FuncLimits,
    /// Its environment variables, over those of the app.
    pub config: Env,
    /// What others noted about it.
    pub annotations: Annotations,
    /// Commands of the build, run by the shell.
    pub build: Vec<String>,
    /// Variables that it needs.
    pub expects: Vec<Expected>,
    /// What calls it.
    pub triggers: Vec<Trigger>,
    /// What stands there and has no effect.
    pub notes: Vec<Note>,
    /// What has none beside a `Dockerfile`.
    pub notes_beside_dockerfile: Vec<Note>,
}

/// By which rules a func file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FuncSchema {
    /// Those of before there were numbers.
    Old,
    /// `schema_version: 20180708`
    V20180708,
}

/// A variable that a function expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The variable.
    pub name: String,
    /// Whether it can't do without.
    pub required: bool,
}

/// Something that is no mistake, and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it stands.
    pub position: Position,
    /// What to know about it.
    pub message: String,
}

impl FuncFile {
    /// Reads a func file of either schema. `file` is only what the report calls it. JSON is read as the YAML that it is.
    ///
    /// # Errors
    /// Every mistake that could be found, not only the first one.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Report> {
        let mut problems = Problems::default();
        let read = read::func_file(bytes, &mut problems);
        problems.result(file, read)
    }
}

impl FuncSchema {
    /// The number of the newest.
    pub const NEWEST: &str = "20180708";
}

/// `5:1: note: …`, to stand behind the name of the file.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: note: {}", self.position.line, self.position.column, self.message)
    }
}
