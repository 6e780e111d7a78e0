//! Which node is asked, and with what: a pure decision, and what it takes to carry it out.

use std::path::PathBuf;

use super::{Context, ContextName, Contexts, Home, Proof};
use crate::client::{Address, BearerToken, Client, Credentials, Trust};
use crate::failure::{Cause, Failure};

/// What the environment says of nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// `MU_CONTEXT`
    pub(crate) context: Option<ContextName>,
    /// `MU_URL`
    pub(crate) address: Option<Address>,
    /// `MU_TOKEN`
    pub(crate) token: Option<BearerToken>,
}

/// The node that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: Address,
    /// Absent when the environment names the node.
    pub(crate) context: Option<ContextName>,
    pub(crate) proof: TargetProof,
    /// The certificate authority that is trusted in place of the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// With what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetProof {
    /// The token of the environment.
    Given(BearerToken),
    /// What the context has.
    Kept(Proof),
}

/// Why no node is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoTarget {
    /// None is known by this name.
    Unknown(ContextName),
    /// None is in use.
    NotChosen,
}

impl Surroundings {
    pub(crate) fn read() -> Result<Self, Failure> {
        Ok(Self { context: variable("MU_CONTEXT")?, address: variable("MU_URL")?, token: token()? })
    }
}

/// A variable of the environment; one that is empty counts as absent.
fn variable<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str) -> Result<Option<T>, Failure> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let parsed = value.to_str().unwrap_or_default().parse();
    parsed.map(Some).map_err(|e: T::Err| Failure::new(Cause::Failed, format!("{name}: {e}")))
}

fn token() -> Result<Option<BearerToken>, Failure> {
    let Some(value) = std::env::var_os("MU_TOKEN").filter(|value| !value.is_empty()) else { return Ok(None) };
    let parsed = BearerToken::parse(value.to_str().unwrap_or_default());
    parsed.map(Some).map_err(|e| Failure::from_error(Cause::Failed, "MU_TOKEN", &e))
}

impl Target {
    /// The node that `--context` names, or the environment, or that is in use; in this order.
    pub(crate) fn choose(
        flag: Option<&ContextName>,
        around: &Surroundings,
        contexts: &Contexts,
    ) -> Result<Self, Failure> {
        decide(flag, around, contexts).map_err(|none| match none {
            NoTarget::Unknown(name) => {
                let known: Vec<&str> = contexts.all.keys().map(ContextName::as_str).collect();
                let failure = Failure::new(Cause::Unauthenticated, format!("no context is named `{name}`"));
                if known.is_empty() {
                    failure.hint("there is none yet: `mu login URL` makes one")
                } else {
                    failure.hint(format!("the contexts are: {}", known.join(", ")))
                }
            }
            NoTarget::NotChosen if contexts.all.is_empty() => {
                Failure::new(Cause::Unauthenticated, "no node is known yet")
                    .hint("`mu login URL` makes one known, like `mu login http://127.0.0.1:12000`")
            }
            NoTarget::NotChosen => Failure::new(Cause::Unauthenticated, "no context is in use")
                .hint("`mu context use NAME` chooses one; `mu context list` shows them"),
        })
    }

    /// What asks the node.
    pub(crate) fn client(self, home: &Home) -> Result<Client, Failure> {
        let credentials = match self.proof {
            TargetProof::Given(token) => Credentials::Token(token),
            TargetProof::Kept(Proof::Nothing) => Credentials::None,
            TargetProof::Kept(Proof::Key) => Credentials::key(home.identity()?),
            TargetProof::Kept(Proof::Token) => {
                let context = self.context.as_ref().expect("only contexts keep tokens");
                Credentials::Token(home.token(context)?)
            }
        };
        Ok(Client::new(self.address, credentials, &Trust::read(self.ca_file.as_deref())?))
    }
}

fn decide(flag: Option<&ContextName>, around: &Surroundings, contexts: &Contexts) -> Result<Target, NoTarget> {
    let token = around.token.clone().map(TargetProof::Given);
    if let (None, Some(address)) = (flag, &around.address) {
        // A token is for the node that it was kept for, and is not sent elsewhere. A signature is for one node.
        let proof = token.unwrap_or(TargetProof::Kept(Proof::Key));
        return Ok(Target { address: address.clone(), context: None, proof, ca_file: None });
    }
    let name = flag.or(around.context.as_ref()).or(contexts.current.as_ref()).ok_or(NoTarget::NotChosen)?;
    let Context { address, proof, ca_file, .. } =
        contexts.all.get(name).ok_or_else(|| NoTarget::Unknown(name.clone()))?;
    let proof = token.unwrap_or(TargetProof::Kept(*proof));
    Ok(Target { address: address.clone(), context: Some(name.clone()), proof, ca_file: ca_file.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts() -> Contexts {
        let context = |url: &str, proof| {
            let address = url.parse().unwrap();
            Context { address, proof, principal: None, ca_file: None }
        };
        let all = [("a", context("http://a", Proof::Key)), ("b", context("http://b", Proof::Token))];
        let all = all.into_iter().map(|(name, context)| (name.parse().unwrap(), context)).collect();
        Contexts { current: Some("a".parse().unwrap()), all }
    }

    #[test]
    fn the_flag_then_the_environment_then_what_is_in_use() {
        for (flag, url, context, token, expected) in [
            (None, None, None, None, Ok("http://a Kept(Key)")),
            (Some("b"), None, None, None, Ok("http://b Kept(Token)")),
            (None, None, Some("b"), None, Ok("http://b Kept(Token)")),
            (Some("a"), None, Some("b"), None, Ok("http://a Kept(Key)")),
            (None, Some("http://c"), Some("b"), None, Ok("http://c Kept(Key)")),
            (Some("b"), Some("http://c"), None, None, Ok("http://b Kept(Token)")),
            (Some("b"), None, None, Some("t"), Ok("http://b Given(BearerToken(...))")),
            (None, Some("http://c"), None, Some("t"), Ok("http://c Given(BearerToken(...))")),
            (Some("x"), None, None, None, Err(())),
            (None, None, Some("x"), None, Err(())),
        ] {
            let around = Surroundings {
                context: context.map(|name: &str| name.parse().unwrap()),
                address: url.map(|url: &str| url.parse().unwrap()),
                token: token.map(|token| BearerToken::parse(token).unwrap()),
            };
            let flag: Option<ContextName> = flag.map(|name: &str| name.parse().unwrap());
            let target = decide(flag.as_ref(), &around, &contexts());
            let told = target.map(|target| format!("{} {:?}", target.address, target.proof)).map_err(drop);
            assert_eq!(told.as_deref(), expected.as_ref().copied(), "{flag:?} {url:?} {context:?}");
        }
    }

    #[test]
    fn without_a_context_the_way_to_one_is_told() {
        let none = Target::choose(None, &Surroundings::default(), &Contexts::default()).unwrap_err();
        assert!(none.render().contains("mu login"), "{}", none.render());
        let unused = Contexts { current: None, ..contexts() };
        let unused = Target::choose(None, &Surroundings::default(), &unused).unwrap_err();
        assert!(unused.render().contains("mu context use"), "{}", unused.render());
    }
}
