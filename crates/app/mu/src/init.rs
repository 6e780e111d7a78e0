//! `mu init`: a new project, from a template.

mod function;
mod questions;
mod template;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};
use mu_stack::{Language, StackName};

use crate::failure::{Cause, Failure};
use crate::init::template::Template;
use crate::sdk;
use crate::terminal::{self, BOLD, DIM};

/// Make a new project from a template
///
/// On a terminal, what the flags leave open is asked; elsewhere, or with --yes, it takes its default.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Where to make it: a directory that is empty or does not exist yet
    path: Option<PathBuf>,
    /// The stack's name [default: the directory's name]
    #[arg(long, short)]
    name: Option<StackName>,
    /// What to start from [default: hello]
    #[arg(long, short, value_enum)]
    template: Option<Template>,
    /// The language of its functions [default: rust]
    #[arg(long, short, value_enum)]
    lang: Option<Lang>,
    /// Make one function that runs in containers, with a func.yaml, instead of a stack
    #[arg(long, value_enum, conflicts_with_all = ["template", "lang"])]
    runtime: Option<function::Runtime>,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
    /// Do not start a git repository
    #[arg(long)]
    no_git: bool,
}

/// A value of `--lang`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lang {
    Rust,
    /// JavaScript or TypeScript
    Js,
    Python,
    Go,
    C,
}

/// What to make, with nothing left open.
struct Plan {
    folder: PathBuf,
    name: StackName,
    template: Template,
    language: Language,
}

/// What version control should not see.
const GITIGNORE: &str = "\
# What mu makes: data of `mu run`, compiled modules, build output.
.mu/
target/

# Values of secrets on your machine.
mu.secrets

# What the tools of languages install and make.
node_modules/
.venv/
__pycache__/
";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(runtime) = arguments.runtime {
        return function::init(arguments, runtime);
    }
    let plan = if arguments.yes || !terminal::is_interactive() || arguments.says_all() {
        arguments.plan_without_questions()?
    } else {
        questions::ask(arguments)?
    };
    check_written_in(plan.template, plan.language)?;
    check_empty(&plan.folder)?;
    let failed = |e: io::Error| Failure::from_error(Cause::Failed, format!("writing {}", plan.folder.display()), &e);
    plan.template.write(plan.language, &plan.folder, &plan.name).map_err(failed)?;
    fs::write(plan.folder.join(".gitignore"), GITIGNORE).map_err(failed)?;
    sdk::materialise(&plan.folder, plan.language).map_err(failed)?;
    if !arguments.no_git {
        start_repository(&plan.folder);
    }
    print_next_steps(&plan);
    Ok(())
}

impl Arguments {
    /// Whether there is nothing to ask.
    fn says_all(&self) -> bool {
        self.path.is_some() && self.template.is_some() && self.lang.is_some()
    }

    fn plan_without_questions(&self) -> Result<Plan, Failure> {
        let folder = self.path.clone().unwrap_or_else(|| PathBuf::from("."));
        let name = self.name.clone().map_or_else(|| name_of(&folder), Ok)?;
        let language = self.lang.map_or(Language::Rust, Lang::language);
        Ok(Plan { folder, name, template: self.template.unwrap_or(Template::Hello), language })
    }
}

impl Lang {
    const fn language(self) -> Language {
        match self {
            Self::Rust => Language::Rust,
            Self::Js => Language::JavaScript,
            Self::Python => Language::Python,
            Self::Go => Language::Go,
            Self::C => Language::C,
        }
    }
}

/// Not every template is written in every language.
fn check_written_in(template: Template, language: Language) -> Result<(), Failure> {
    if template.languages().contains(&language) {
        return Ok(());
    }
    let known: Vec<&str> = template.languages().iter().map(|language| language.title()).collect();
    Err(Failure::new(
        Cause::Failed,
        format!("template {} is not written in {}, only in {}", template.name(), language.title(), known.join(", ")),
    )
    .hint(format!(
        "`--template hello` is written in every language; `--lang {}` has this one",
        template.languages()[0]
    )))
}

/// The stack's name that a folder's name gives.
fn name_of(folder: &Path) -> Result<StackName, Failure> {
    // `.` and `..` have no name of their own.
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let resolved = absolute.canonicalize().unwrap_or(absolute);
    let name = resolved.file_name().unwrap_or_default().to_string_lossy();
    name.parse().map_err(|e| {
        Failure::new(Cause::Failed, format!("the directory's name cannot be the stack's: {e}"))
            .hint("give the stack another name with --name")
    })
}

fn check_empty(folder: &Path) -> Result<(), Failure> {
    let hint = "name a directory that is empty or does not exist yet";
    match fs::read_dir(folder) {
        // A fresh repository holds nothing that could be overwritten.
        Ok(mut entries) => match entries.find(|e| e.as_ref().map_or(true, |e| e.file_name() != ".git")) {
            None => Ok(()),
            Some(_) => Err(Failure::new(Cause::Failed, format!("{} is not empty", folder.display())).hint(hint)),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Failure::from_error(Cause::Failed, folder.display(), &e).hint(hint)),
    }
}

/// Runs `git init`, unless the folder is in a repository already or there is no git: a project works without.
fn start_repository(folder: &Path) {
    let git = |arguments: &[&str]| Command::new("git").arg("-C").arg(folder).args(arguments).output();
    let is_inside = git(&["rev-parse", "--is-inside-work-tree"]).is_ok_and(|asked| asked.status.success());
    if !is_inside && !git(&["init", "--quiet"]).is_ok_and(|made| made.status.success()) {
        terminal::say("No git repository was started: git is missing or failed");
    }
}

fn print_next_steps(plan: &Plan) {
    let folder = plan.folder.display();
    let (template, language) = (plan.template.name(), plan.language.title());
    terminal::say(format!("Made {BOLD}{}{BOLD:#} from template {template} ({language}) in {folder}", plan.name));
    print_commands(&plan.folder);
}

fn print_commands(folder: &Path) {
    terminal::say("");
    if folder != Path::new(".") {
        terminal::say(format!("  cd {}", folder.display()));
    }
    terminal::say(format!("  mu run     {DIM}build and serve it, and again after every change{DIM:#}"));
    terminal::say(format!("  mu doctor  {DIM}if something is missing{DIM:#}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_will_do() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_empty(folder.path()).is_ok());
        assert!(check_empty(&folder.path().join("absent")).is_ok());
        fs::create_dir(folder.path().join(".git")).unwrap();
        assert!(check_empty(folder.path()).is_ok());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(check_empty(folder.path()).is_err());
        assert!(check_empty(&folder.path().join("file")).is_err());
    }

    #[test]
    fn a_folder_names_its_stack_when_it_can() {
        assert_eq!(name_of(Path::new("/x/my-stack")).unwrap().as_str(), "my-stack");
        assert!(name_of(Path::new("/x/my stack")).is_err());
        assert!(name_of(Path::new("/")).is_err());
    }
}
