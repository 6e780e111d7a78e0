//! Layers, mistakes, and that nothing in the table is forgotten.

mod cross_checks;
mod documents;
mod layers;
mod mistakes;

use super::*;

/// A configuration of a file's text, variables and flags; a home directory is there.
pub(super) fn sources(file: &str, variables: &[(&str, &str)], flags: &[Override]) -> Sources {
    let file = ConfigFile { name: CONFIG_FILE.to_owned(), folder: "/etc/mu".into(), bytes: file.into() };
    let home = [("HOME", "/home/ada")];
    let variables = home.iter().chain(variables).map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Sources { file: Some(file), variables, flags: flags.to_vec(), working_dir: "/srv".into() }
}

pub(super) fn load(file: &str, variables: &[(&str, &str)], flags: &[Override]) -> Configuration {
    Configuration::load(&sources(file, variables, flags)).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

pub(super) fn mistakes(file: &str, variables: &[(&str, &str)], flags: &[Override]) -> String {
    Configuration::load(&sources(file, variables, flags)).unwrap_err().to_string()
}
