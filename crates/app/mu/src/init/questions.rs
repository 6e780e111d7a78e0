//! What `mu init` asks on a terminal.

use std::path::PathBuf;

use inquire::validator::Validation;
use inquire::{InquireError, Select, Text};
use mu_stack::StackName;

use crate::failure::{Cause, Failure};
use crate::init::template::Template;
use crate::init::{Arguments, Plan, name_of};

/// Asks what the flags leave open.
pub(super) fn ask(arguments: &Arguments) -> Result<Plan, Failure> {
    ask_all(arguments).map_err(|e| match e {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Failure::new(Cause::Failed, "nothing was made")
        }
        other => Failure::from_error(Cause::Failed, "asking", &other).hint("--yes asks nothing"),
    })
}

fn ask_all(arguments: &Arguments) -> Result<Plan, InquireError> {
    let named = arguments.name.as_ref().map_or("hello", StackName::as_str);
    let folder = match &arguments.path {
        Some(path) => path.clone(),
        None => PathBuf::from(Text::new("Directory:").with_default(named).prompt()?),
    };
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => ask_name(name_of(&folder).ok().as_ref().map_or("hello", StackName::as_str))?,
    };
    let template = match arguments.template {
        Some(template) => template,
        None => Select::new("Template:", Template::ALL.to_vec()).prompt()?,
    };
    Ok(Plan { folder, name, template })
}

fn ask_name(default: &str) -> Result<StackName, InquireError> {
    let check = |text: &str| match text.parse::<StackName>() {
        Ok(_) => Ok(Validation::Valid),
        Err(e) => Ok(Validation::Invalid(e.to_string().into())),
    };
    let name = Text::new("Name:").with_default(default).with_validator(check).prompt()?;
    name.parse().map_err(|e: mu_stack::NameError| InquireError::Custom(e.into()))
}
