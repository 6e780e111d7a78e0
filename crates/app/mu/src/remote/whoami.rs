//! `mu whoami`.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Remote;
use crate::context::{Home, Surroundings, Target};
use crate::failure::Failure;
use crate::output::{OutputArgs, or_dash};

/// Show your public key, and who you are for the node in use
///
/// The key is made when there is none. Its secret half is mu/identity.key in XDG_CONFIG_HOME or ~/.config.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Deserialize)]
struct Printed {
    key: String,
    context: Option<String>,
    url: Option<String>,
    me: Option<MeView>,
}

#[derive(Deserialize)]
struct MeView {
    principal: String,
    #[serde(default)]
    how: String,
    role: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let home = Home::find()?;
    let key = home.identity()?.client().to_string();
    let (contexts, around) = (home.contexts()?, Surroundings::read()?);
    let context = arguments.remote.context.as_ref();
    let mut shown = json!({"key": key, "context": null, "url": null, "me": null});
    // Whoever has signed in nowhere may want to know the key, to have it added.
    if context.is_none() && around.context.is_none() && around.address.is_none() && contexts.current.is_none() {
        return print(arguments.output, &shown);
    }
    let target = Target::choose(context, &around, &contexts)?;
    shown["context"] = json!(target.context.as_ref().map(ToString::to_string));
    shown["url"] = json!(target.address.to_string());
    // What is known here is told in any case.
    let me = target.client(&home)?.get("/v1/me");
    if let Ok(me) = &me {
        shown["me"] = me.clone();
    }
    print(arguments.output, &shown)?;
    me.map(drop).map_err(Failure::from)
}

fn print(output: OutputArgs, shown: &Value) -> Result<(), Failure> {
    output.output.record(shown, |printed: Printed| {
        let mut fields =
            vec![("key", printed.key), ("context", or_dash(printed.context)), ("url", or_dash(printed.url))];
        if let Some(me) = printed.me {
            fields.push(("principal", me.principal));
            fields.push(("credentials", me.how));
            fields.push(("role", or_dash(me.role)));
        }
        fields
    })
}
