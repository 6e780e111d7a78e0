//! The port by which a node sees what is at a host.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::HostName;

/// Most bytes of a body, or of all TXT records of a name, that are looked at.
pub const ANSWER_BYTES_MAX: usize = 4096;

/// Looks at hosts of others.
///
/// A host is named by whoever claims it. Adapters therefore must connect to public addresses alone (checked after the
/// name was resolved), follow no redirect to another host, give up after some seconds, and read no more than
/// [`ANSWER_BYTES_MAX`].
#[async_trait]
pub trait Prover: Send + Sync + fmt::Debug {
    /// The body of `http://HOST:80/PATH`, where it is answered with 200. `path` begins with a slash.
    async fn http(&self, host: &HostName, path: &str) -> Result<String, ProveError>;

    /// The TXT records of a name, each with its parts put together; none when it has none.
    async fn dns_txt(&self, name: &str) -> Result<Vec<String>, ProveError>;
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// There was an answer, and it is another one.
    #[error("the answer is another one")]
    OtherAnswer,
    /// There was none.
    #[error("{reason}")]
    NoAnswer {
        /// Why, for people.
        reason: String,
    },
}

/// The in-memory twin: answers what it was told to.
#[derive(Clone, Debug, Default)]
pub struct MemProver {
    answers: Arc<Mutex<Answers>>,
}

#[derive(Debug, Default)]
struct Answers {
    http: HashMap<String, String>,
    dns: HashMap<String, Vec<String>>,
}

impl MemProver {
    /// No host answers anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has an address answer with a body.
    pub fn set_http(&self, url: &str, body: &str) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).http.insert(url.to_owned(), body.to_owned());
    }

    /// Gives a name TXT records.
    pub fn set_dns(&self, name: &str, records: &[&str]) {
        let records = records.iter().map(|&record| record.to_owned()).collect();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).dns.insert(name.to_owned(), records);
    }
}

#[async_trait]
impl Prover for MemProver {
    async fn http(&self, host: &HostName, path: &str) -> Result<String, ProveError> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let body = answers.http.get(&format!("http://{host}{path}"));
        body.cloned().ok_or_else(|| ProveError::NoAnswer { reason: "status 404".to_owned() })
    }

    async fn dns_txt(&self, name: &str) -> Result<Vec<String>, ProveError> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(answers.dns.get(name).cloned().unwrap_or_default())
    }
}
