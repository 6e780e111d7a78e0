//! An app: functions in the folders below an app file, or one func file alone, as what a `mu.yaml` would say of them.

use std::collections::BTreeMap;

use crate::auth::Auth;
use crate::env::Env;
use crate::limits::{ROUTES_MAX, SERVICES_MAX};
use crate::manifest::{Build, FunctionManifest, Manifest};
use crate::name::{FunctionName, HandlerRef, StackName};
use crate::problem::{Position, Problems, Report};
use crate::route::{PathTemplate, Route, RouteTable};
use crate::stack::{Gateway, Instances, Runtime, Service};
use crate::websocket::WebSocketLimits;

use super::{Annotations, FuncFile, FuncLimits, FuncVersion, GATEWAY, HANDLER, Note, TriggerKind, TriggerSource, read};

/// An app file, `app.yaml`.
#[derive(Clone, Debug, PartialEq)]
pub struct AppFile {
    /// Its name; without it, the folder's.
    pub name: Option<StackName>,
    /// Environment variables of all functions, below their own.
    pub config: Env,
    /// What others noted about it.
    pub annotations: Annotations,
    /// Where Project Fn would send logs to.
    pub syslog_url: Option<String>,
    /// What stands there and has no effect.
    pub notes: Vec<Note>,
}

/// A func file and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct AppFunction {
    /// The folder, relative to the app's, with `/` between folders; empty for the app's own.
    pub folder: String,
    /// The file's name, one of [`FUNC_FILES`](super::FUNC_FILES).
    pub file_name: String,
    /// What it says.
    pub file: FuncFile,
    /// Whether a `Dockerfile` stands beside it.
    pub has_dockerfile: bool,
}

/// An app.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// What a `mu.yaml` would say: the functions in the order in which they were given, and a gateway of their `http`
    /// triggers if there are any.
    pub manifest: Manifest,
    /// What to know about its files, each with its place.
    pub notes: Vec<String>,
}

impl AppFile {
    /// Reads an app file. `file` is only what the report calls it.
    ///
    /// # Errors
    /// Every mistake that could be found, not only the first one.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Report> {
        let mut problems = Problems::default();
        let read = read::app_file(bytes, &mut problems);
        problems.result(file, read)
    }
}

impl AppFunction {
    /// The file, relative to the app's folder.
    #[must_use]
    pub fn path(&self) -> String {
        if self.folder.is_empty() { self.file_name.clone() } else { format!("{}/{}", self.folder, self.file_name) }
    }

    /// The function's name: as its file says, else its folder's; `app` is the name of the app's own.
    fn name(&self, app: &str, problems: &mut Problems) -> Option<FunctionName> {
        if let Some(name) = &self.file.name {
            return Some(name.function().clone());
        }
        let folder = self.folder.rsplit('/').next().filter(|folder| !folder.is_empty()).unwrap_or(app);
        let parsed = folder.parse();
        parsed.map_err(|error| problems.hint(None, format!("{error}"), "write a `name` into the file".to_owned())).ok()
    }
}

impl App {
    /// The app of a folder with this name, of an app file or without one, and these func files. `limits` are those that
    /// count more than what the files say.
    ///
    /// A function in the app's own folder is its index: it answers at `/`, unless a trigger says where. A func file that is
    /// alone, without an app file, is an app of its own name, and answers where its triggers say.
    ///
    /// # Errors
    /// Everything that the files do to each other: share a name, or a path.
    pub fn new(
        app: Option<&AppFile>,
        folder: &str,
        functions: &[AppFunction],
        limits: FuncLimits,
    ) -> Result<Self, Report> {
        let mut problems = Problems::default();
        let shown = app.map_or_else(
            || functions.first().map_or_else(String::new, AppFunction::path),
            |_| super::APP_FILE.to_owned(),
        );
        let read = read_app(app, folder, functions, limits, &mut problems);
        problems.result(&shown, read)
    }
}

fn read_app(
    app: Option<&AppFile>,
    folder: &str,
    functions: &[AppFunction],
    limits: FuncLimits,
    problems: &mut Problems,
) -> Option<App> {
    let no_config = Env::new();
    let config = app.map_or(&no_config, |app| &app.config);
    let own_name = functions.first().and_then(|function| function.file.name.as_ref()).filter(|_| app.is_none());
    let name = match (app.and_then(|app| app.name.as_ref()), own_name) {
        (Some(name), _) => Some(name.clone()),
        (None, Some(name)) => parsed(name.function().as_str(), problems),
        (None, None) => parsed(folder, problems),
    };
    if functions.is_empty() {
        problems.hint(None, "there is no function", "`mu init --runtime python hello` makes one".to_owned());
    }
    // One service is the gateway.
    if functions.len() >= SERVICES_MAX {
        problems.add(None, format!("an app has at most {} functions", SERVICES_MAX - 1));
    }
    let mut read = Vec::new();
    let mut routes = Routes::default();
    for function in functions.iter().take(SERVICES_MAX) {
        problems.enter((functions.len() > 1 || app.is_some()).then(|| format!("`{}`", function.path())));
        let Some(name) = function.name(folder, problems) else { continue };
        if let Some(other) = read.iter().find(|other: &&FunctionManifest| *other.name() == name) {
            let hint = format!("the other is in `{}`; write another `name` into one of the files", other.source());
            problems.hint(None, format!("two functions are named `{name}`"), hint);
        }
        let mut answers = false;
        for trigger in &function.file.triggers {
            if let TriggerKind::Http(source) = &trigger.kind {
                answers = true;
                routes.add(source, &name, problems);
            }
        }
        if app.is_some() && function.folder.is_empty() && !answers {
            routes.index = Some(name.clone());
        }
        read.extend(manifest_of(function, name, config, limits, problems));
    }
    problems.enter(None);
    let version = functions
        .iter()
        .map(|function| &function.file.version)
        .max()
        .map_or_else(|| FuncVersion::default().to_string(), ToString::to_string);
    let gateway = routes.gateway(problems);
    let services = read.into_iter().map(Service::Function).chain(gateway.map(Service::Gateway)).collect();
    let notes = notes(app, functions);
    Some(App { manifest: Manifest::of_services(name?, version, services), notes })
}

fn manifest_of(
    function: &AppFunction,
    name: FunctionName,
    config: &Env,
    limits: FuncLimits,
    problems: &mut Problems,
) -> Option<FunctionManifest> {
    let env = config.overlaid(&function.file.config).map_err(|error| problems.add(None, error.to_string())).ok()?;
    let limits = limits.or(function.file.limits);
    let source = if function.folder.is_empty() { "." } else { &function.folder };
    let module = format!("modules/{name}.tar");
    let start = Position { line: 1, column: 1 };
    Some(FunctionManifest::new(
        name,
        start,
        Build::Container,
        source.to_owned(),
        module,
        Runtime::Container,
        env,
        Env::new(),
        Vec::new(),
        Auth::None,
        limits.function_limits(),
        Instances::default(),
        limits.container_settings(),
    ))
}

/// What is to be known, in the order of the files.
fn notes(app: Option<&AppFile>, functions: &[AppFunction]) -> Vec<String> {
    let of_app = app.into_iter().flat_map(|app| &app.notes).map(|note| format!("{}:{note}", super::APP_FILE));
    let of_functions = functions.iter().flat_map(|function| {
        let file = &function.file;
        let is_there = |name: &str| file.config.value(name).or_else(|| app?.config.value(name)).is_some();
        let missing = file.expects.iter().filter(move |expected| expected.required && !is_there(&expected.name));
        let missing = missing.map(|expected| {
            format!("{}: note: it expects the variable `{}`, which no `config` has", function.path(), expected.name)
        });
        let beside = file.notes_beside_dockerfile.iter().filter(|_| function.has_dockerfile);
        file.notes.iter().chain(beside).map(|note| format!("{}:{note}", function.path())).chain(missing)
    });
    of_app.chain(of_functions).collect()
}

/// The routes of the app's gateway.
#[derive(Default)]
struct Routes {
    sources: BTreeMap<String, (FunctionName, PathTemplate)>,
    /// Who answers at `/` if nobody else does.
    index: Option<FunctionName>,
}

impl Routes {
    fn add(&mut self, source: &TriggerSource, function: &FunctionName, problems: &mut Problems) {
        if let Some((other, _)) = self.sources.get(&source.to_string()) {
            problems.add(None, format!("functions `{other}` and `{function}` both have a trigger for `{source}`"));
            return;
        }
        self.sources.insert(source.to_string(), (function.clone(), source.template().clone()));
    }

    fn gateway(mut self, problems: &mut Problems) -> Option<Gateway> {
        if let Some(index) = self.index.take() {
            let root = "/".parse().expect("`/` is a path");
            self.sources.entry("/".to_owned()).or_insert((index, root));
        }
        if self.sources.is_empty() {
            return None;
        }
        if self.sources.len() > ROUTES_MAX {
            problems.add(None, format!("an app has at most {ROUTES_MAX} triggers of type `http`"));
            return None;
        }
        let routes = self.sources.into_values().map(|(function, template)| {
            let mut route = Route::new(template);
            let handler = HANDLER.parse().expect("the handler's name is a name");
            route.set_any(HandlerRef { function, handler }).expect("a new route has no handler");
            route
        });
        let table = RouteTable::new(routes.collect()).map_err(|conflicts| {
            conflicts.iter().for_each(|conflict| problems.add(None, conflict.to_string()));
        });
        Some(Gateway {
            name: GATEWAY.parse().expect("the gateway's name is a name"),
            routes: table.ok()?,
            cors: None,
            websocket: WebSocketLimits::default(),
        })
    }
}

fn parsed(text: &str, problems: &mut Problems) -> Option<StackName> {
    let parsed = text.parse();
    parsed.map_err(|error| problems.hint(None, format!("{error}"), "write a `name` into the file".to_owned())).ok()
}
