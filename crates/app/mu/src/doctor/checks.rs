//! The checks themselves. Each looks, and changes nothing that stays.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use mu_stack::{Build, Language, Runtime};

use crate::build::builder::Builder;
use crate::build::tool::{self, Tool, version};
use crate::build::toolchain::{self, Missing, Toolchain};
use crate::build::{self, Freshness, FunctionState};
use crate::doctor::{Finding, Need};
use crate::local_node;
use crate::project::Project;
use crate::run::GATEWAY_PORT;

/// Files and connections a busy node has open at once.
const OPEN_FILES_WANTED: u64 = 4_096;

/// Address space the instance pool reserves. Reserving costs no memory.
const ADDRESS_SPACE_WANTED_GIB: u64 = 8_192;

/// Looks at everything that `project`, or a project to come, depends on.
pub(super) fn checks(project: Option<&Project>) -> Vec<Finding> {
    let functions = project.and_then(|project| build::freshness(project).ok()).unwrap_or_default();
    let mut findings = compilers(project, &functions);
    findings.extend([git(), port(), open_files(), certificates()]);
    findings.extend(address_space());
    findings.extend(project.filter(|project| has_containers(project)).map(|_| container_runtime()));
    findings.push(manifest(project));
    findings.extend(project.map(writable));
    findings
}

/// What builds the functions of the project; outside of a project, what builds those of Rust.
fn compilers(project: Option<&Project>, functions: &[FunctionState]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for language in Language::ALL {
        let ours: Vec<_> = functions.iter().filter(|function| function.build == Build::Language(language)).collect();
        let need = need_of(&ours);
        if language == Language::Rust && (functions.is_empty() || !ours.is_empty()) {
            findings.push(cargo(need));
            findings.push(target(project, need));
        } else if !ours.is_empty() {
            let folders: Vec<&Path> = ours.iter().map(|function| function.folder.as_path()).collect();
            let folders = [folders, project.map(Project::root).into_iter().collect()].concat();
            findings.extend(Tool::of(language).iter().map(|tool| builder(&folders, *tool, need)));
        }
    }
    let containers: Vec<_> = functions.iter().filter(|function| function.build == Build::Container).collect();
    if !containers.is_empty() {
        findings.push(image_builder(need_of(&containers)));
    }
    findings
}

fn image_builder(need: Need) -> Finding {
    let name = "image builder";
    match Builder::find(None) {
        Ok(builder) => Finding::ok(name, builder.name()),
        Err(none) => Finding::lacking(name, need, none.to_string(), none.hint()),
    }
}

fn has_containers(project: &Project) -> bool {
    project.load().is_ok_and(|manifest| manifest.functions().any(|function| function.runtime() == Runtime::Container))
}

/// What `mu run` runs functions in that are images. A project may as well be deployed without.
fn container_runtime() -> Finding {
    let name = "containers";
    let found = || -> Result<String, String> {
        let dir = tempfile::tempdir().map_err(|e| format!("creating a temporary folder: {e}"))?;
        let runtime = local_node::runtime().map_err(|failure| failure.message().to_owned())?;
        let settings = local_node::containers().map_err(|failure| failure.message().to_owned())?;
        runtime.block_on(mu_node::container_runtime(&settings, dir.path()))
    };
    match found() {
        Ok(runner) => Finding::ok(name, format!("run by {runner}")),
        Err(why) => Finding::lacking(
            name,
            Need::Useful,
            why,
            "`mu run` needs it for functions with `runtime: container`: docs/guide/operate.md#containers",
        ),
    }
}

/// What builds these functions is required when one of them has to be built before the project can run.
fn need_of(functions: &[&FunctionState]) -> Need {
    let is_needed = functions.iter().any(|function| function.freshness == Freshness::Stale);
    if is_needed { Need::Required } else { Need::Useful }
}

fn cargo(need: Need) -> Finding {
    match version("cargo") {
        Some(version) => Finding::ok("cargo", version),
        None => Finding::lacking("cargo", need, "not found", Missing::Cargo.hint()),
    }
}

fn target(project: Option<&Project>, need: Need) -> Finding {
    let here = project.map_or_else(|| ".".as_ref(), Project::root);
    let name = toolchain::TARGET;
    match Toolchain::find(here) {
        Ok(Toolchain::Installed) => Finding::ok(name, "installed with rustc"),
        Ok(Toolchain::Prefix(rustc)) => Finding::ok(name, format!("built by {}", rustc.display())),
        Err(missing) => Finding::lacking(name, need, missing.to_string(), missing.hint()),
    }
}

fn builder(folders: &[&Path], tool: Tool, need: Need) -> Finding {
    let found = tool.find(folders);
    match found.map(|found| found.version(tool)) {
        Ok(Some(version)) => Finding::ok(tool.name(), version),
        Ok(None) => Finding::lacking(tool.name(), need, "does not start", tool::Missing(tool).hint()),
        Err(missing) => Finding::lacking(tool.name(), need, "not found", missing.hint()),
    }
}

fn git() -> Finding {
    let remedy = "`mu init` uses it to start a repository; install it with your system's packages";
    version("git")
        .map_or_else(|| Finding::lacking("git", Need::Useful, "not found", remedy), |found| Finding::ok("git", found))
}

/// Whether `mu run` could listen where it does by default.
fn port() -> Finding {
    let (name, address) = ("gateway port", (Ipv4Addr::LOCALHOST, GATEWAY_PORT));
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(name, format!("{}:{} is free", address.0, address.1)),
        Err(e) => {
            let remedy =
                "another program, perhaps another `mu run`, has it; `mu run --gateway 127.0.0.1:0` takes any port";
            Finding::lacking(name, Need::Useful, format!("{}:{}: {e}", address.0, address.1), remedy)
        }
    }
}

fn open_files() -> Finding {
    let name = "open files";
    match limit("Max open files") {
        Some(files) if files < OPEN_FILES_WANTED => {
            let remedy = format!("a busy node wants {OPEN_FILES_WANTED}: `ulimit -n {OPEN_FILES_WANTED}`");
            Finding::lacking(name, Need::Useful, format!("at most {files}"), remedy)
        }
        Some(u64::MAX) => Finding::ok(name, "no limit"),
        Some(files) => Finding::ok(name, format!("at most {files}")),
        None => Finding::ok(name, "the system does not say"),
    }
}

/// Whether a function that sends requests to `https` addresses can check whom it talks to.
fn certificates() -> Finding {
    let name = "certificates";
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Finding::ok(name, format!("the system trusts {} authorities", found.certs.len()));
    }
    let why = found.errors.first().map_or_else(|| "the system trusts no authority".to_owned(), ToString::to_string);
    let remedy = "functions need them to send requests to https addresses: install your system's `ca-certificates`, or \
                  set SSL_CERT_FILE";
    Finding::lacking(name, Need::Useful, why, remedy)
}

/// Absent where the system does not say.
fn address_space() -> Option<Finding> {
    let (name, limit) = ("address space", limit("Max address space")?);
    if limit == u64::MAX {
        return Some(Finding::ok(name, "no limit"));
    }
    let gib = limit >> 30;
    if gib >= ADDRESS_SPACE_WANTED_GIB {
        return Some(Finding::ok(name, format!("at most {gib} GiB")));
    }
    let remedy = "functions run in a pool that reserves address space, not memory: `ulimit -v unlimited`";
    Some(Finding::lacking(name, Need::Required, format!("at most {gib} GiB"), remedy))
}

fn manifest(project: Option<&Project>) -> Finding {
    let name = "mu.yaml";
    let Some(project) = project else {
        return Finding::lacking(name, Need::Useful, "not in a project", "`mu init` makes one");
    };
    match project.load() {
        Ok(_) => Finding::ok(name, project.manifest_path().display().to_string()),
        Err(failure) => Finding::lacking(
            name,
            Need::Required,
            failure.message(),
            "`mu build` shows the problems, each with its line",
        ),
    }
}

/// Whether data and compiled modules can be kept.
fn writable(project: &Project) -> Finding {
    let (name, folder) = ("project folder", project.work_dir());
    let try_it = || -> io::Result<()> {
        let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(&folder);
        tempfile::tempfile_in(existing).map(drop)
    };
    match try_it() {
        Ok(()) => Finding::ok(name, format!("{} can be written", folder.display())),
        Err(e) => {
            Finding::lacking(name, Need::Required, format!("{}: {e}", folder.display()), "give yourself write access")
        }
    }
}

/// A soft limit of this process, by its name in Linux's `/proc/self/limits`; `u64::MAX` when there is none.
fn limit(name: &str) -> Option<u64> {
    limit_in(&fs::read_to_string("/proc/self/limits").ok()?, name)
}

fn limit_in(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_limits_that_linux_prints() {
        let text = "\
Limit                     Soft Limit           Hard Limit           Units
Max open files            1024                 524288               files
Max address space         unlimited            unlimited            bytes
";
        assert_eq!(limit_in(text, "Max open files"), Some(1024));
        assert_eq!(limit_in(text, "Max address space"), Some(u64::MAX));
        assert_eq!(limit_in(text, "Max unknown"), None);
    }
}
