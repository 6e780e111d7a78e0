//! Reads `auth` of a function or of a route, and `secrets` of a function.

use std::collections::BTreeMap;

use crate::auth::{Auth, JwtAuth};
use crate::env::Env;
use crate::keys;
use crate::limits::SECRETS_MAX;
use crate::problem::Problems;
use crate::secret_name::SecretName;
use crate::suggest::closest;
use crate::yaml::{Node, Value};

use super::{Fields, parsed, shown};

/// Reads what a request must bring along, and notes what is wrong with it.
pub(crate) fn read(node: &Node, problems: &mut Problems) -> Auth {
    let auth = match (&node.value, node.scalar()) {
        (Value::Map(_), _) => jwt(node, problems).map(Auth::Jwt),
        (_, Some("none")) => Some(Auth::None),
        (_, Some("token")) => Some(Auth::Token),
        (_, Some(other)) => {
            let hint = match closest(other, keys::AUTH_WORDS) {
                _ if other == "jwt" => "write `auth: {jwt: {issuer: NAME}}`".to_owned(),
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "use `none`, `token` or `{jwt: {issuer: NAME}}`".to_owned(),
            };
            problems.hint(node.position, format!("unknown `auth`: `{}`", shown(other)), hint);
            None
        }
        _ => {
            let message = format!("`auth` is none, token or a map with `jwt`, but this is {}", node.describe());
            problems.add(node.position, message);
            None
        }
    };
    // What could not be read has been noted, so that nothing comes of the stack.
    let auth = auth.unwrap_or_default();
    for mistake in auth.mistakes() {
        problems.add(node.position, mistake);
    }
    auth
}

fn jwt(node: &Node, problems: &mut Problems) -> Option<JwtAuth> {
    let fields = Fields::of(node, keys::AUTHENTICATION, "`auth`", problems)?;
    let fields = Fields::of(&fields.entry("jwt")?.node, keys::JWT, "`jwt`", problems)?;
    let issuer = fields.parsed_text("issuer", problems).map(|(issuer, _)| issuer);
    let audience = fields.text("audience", problems).map(|(audience, _)| audience.to_owned());
    let mut claims = BTreeMap::new();
    for claim in fields.map("claims", problems) {
        match claim.node.scalar() {
            Some(value) => drop(claims.insert(claim.key.clone(), value.to_owned())),
            None => {
                let message = format!(
                    "the value of claim `{}` is text, but this is {}",
                    shown(&claim.key),
                    claim.node.describe()
                );
                problems.add(claim.node.position, message);
            }
        }
    }
    Some(JwtAuth { issuer: issuer?, audience, claims })
}

/// The secrets that a function is given, none of which is a variable of its `env`.
pub(crate) fn secrets(fields: &Fields<'_>, env: &Env, problems: &mut Problems) -> Vec<SecretName> {
    let mut secrets: Vec<SecretName> = Vec::new();
    for node in fields.list("secrets", problems) {
        let Some(secret) = parsed::<SecretName>(node, "a secret", problems) else { continue };
        if let Some(mistake) = secret_mistake(&secrets, &secret, env) {
            problems.add(node.position, mistake);
            continue;
        }
        secrets.push(secret);
    }
    secrets
}

/// What is wrong with giving a function one more secret, from wherever that comes.
pub(crate) fn secret_mistake(secrets: &[SecretName], secret: &SecretName, env: &Env) -> Option<String> {
    if secrets.contains(secret) {
        Some(format!("the secret `{secret}` stands here twice"))
    } else if env.value(secret.as_str()).is_some() {
        Some(format!("`{secret}` is both a variable of `env` and a secret; take it out of one of them"))
    } else if secrets.len() == SECRETS_MAX {
        Some(format!("a function has at most {SECRETS_MAX} secrets"))
    } else {
        None
    }
}
