//! Project Fn's files: `func.yaml`, which describes one function, and `app.yaml`, which describes an app.
//!
//! - [`FuncFile::parse`] reads both schemas of a func file; what only others understand is accepted, and noted.
//! - [`AppFile::parse`] reads an app file, and [`App::new`] makes of it and of the func files below it what a
//!   `mu.yaml` would be: a [`Manifest`](crate::Manifest).
//! - [`FuncLimits`] are layered: the command line, the environment, the file, the defaults.
//! - [`bumped`] changes the version in a func file's text, and nothing else; [`unbumped`] is what all versions share.
//! - [`Recipe::of`] says how the image of a function is built.
//! - [`func_schema`] and [`app_schema`] are the JSON Schemas, made from the lists of keys that the readers check against.

mod annotations;
mod app;
mod bump;
mod cron;
mod file;
mod keys;
mod limits;
mod name;
mod read;
mod recipe;
mod runtime;
mod schema;
mod trigger;
mod version;

pub use self::annotations::Annotations;
pub use self::app::{App, AppFile, AppFunction};
pub use self::bump::{bumped, unbumped};
pub use self::cron::{Cron, CronError};
pub use self::file::{Expected, FuncFile, FuncSchema, Note};
pub use self::limits::{FuncLimits, InvalidVariable};
pub use self::name::{FuncName, FuncNameError};
pub use self::recipe::{DOCKERFILE, NoRecipe, Recipe};
pub use self::runtime::{FuncLanguage, FuncRuntime, UnknownRuntime};
pub use self::schema::{app_schema, func_schema};
pub use self::trigger::{Trigger, TriggerKind, TriggerSource, TriggerSourceError};
pub use self::version::{FuncVersion, InvalidVersion, Part};

/// What a func file may be called; the first that is there counts.
pub const FUNC_FILES: [&str; 3] = ["func.yaml", "func.yml", "func.json"];
/// What an app file is called.
pub const APP_FILE: &str = "app.yaml";
/// The gateway that the `http` triggers of an app are routes of.
pub const GATEWAY: &str = "http";
/// The handler that routes name. A container has no others.
pub const HANDLER: &str = "call";
