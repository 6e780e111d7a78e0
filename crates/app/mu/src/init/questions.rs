//! What `mu init` asks on a terminal.

use std::path::PathBuf;

use inquire::validator::Validation;
use inquire::{InquireError, Select, Text};
use mu_stack::{Language, StackName};

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
    let language = match arguments.lang {
        Some(lang) => lang.language(),
        None => ask_language(arguments.template)?,
    };
    let template = match arguments.template {
        Some(template) => template,
        None => ask_template(language)?,
    };
    Ok(Plan { folder, name, template, language })
}

/// Asks for a language that the template, if it is known, is written in.
fn ask_language(template: Option<Template>) -> Result<Language, InquireError> {
    let languages = template.map_or(&Language::ALL[..], Template::languages);
    if let [only] = languages {
        return Ok(*only);
    }
    let titles: Vec<&str> = languages.iter().map(|language| language.title()).collect();
    let chosen = Select::new("Language:", titles).raw_prompt()?;
    Ok(languages[chosen.index])
}

/// Asks for a template that is written in the language.
fn ask_template(language: Language) -> Result<Template, InquireError> {
    let templates = Template::ALL.into_iter().filter(|template| template.languages().contains(&language));
    let templates: Vec<Template> = templates.collect();
    if let [only] = templates[..] {
        return Ok(only);
    }
    Select::new("Template:", templates).prompt()
}

fn ask_name(default: &str) -> Result<StackName, InquireError> {
    let check = |text: &str| match text.parse::<StackName>() {
        Ok(_) => Ok(Validation::Valid),
        Err(e) => Ok(Validation::Invalid(e.to_string().into())),
    };
    let name = Text::new("Name:").with_default(default).with_validator(check).prompt()?;
    name.parse().map_err(|e: mu_stack::NameError| InquireError::Custom(e.into()))
}
