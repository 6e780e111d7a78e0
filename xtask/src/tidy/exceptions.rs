//! Places that break a rule for a good reason. An exception that is no longer needed is itself a finding.

use super::finding::{Finding, Rule};
use super::tree::Tree;

struct Exception {
    rule: Rule,
    /// A file, or a folder when it ends with `/`.
    path: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: [Exception; 1] = [Exception {
    rule: Rule::AllowAttribute,
    path: "sdk/rust/mu-sdk-macros/src/",
    reason: "code made by a macro cannot know whether the lint fires, and an `expect` would warn when it does not",
}];

/// Takes the excepted findings out, and adds one for every exception of an existing file that excepts nothing.
pub(super) fn apply(findings: Vec<Finding>, tree: &Tree) -> Vec<Finding> {
    let covers = |exception: &Exception, finding: &Finding| {
        exception.rule == finding.rule
            && (finding.path == exception.path
                || exception.path.ends_with('/') && finding.path.starts_with(exception.path))
    };
    let stale = EXCEPTIONS.iter().filter(|exception| {
        tree.contains(exception.path.trim_end_matches('/'))
            && !findings.iter().any(|finding| covers(exception, finding))
    });
    let stale = stale.map(|exception| {
        let message = format!("an exception from {:?} is not needed: {}", exception.rule, exception.reason);
        Finding::new(Rule::StaleException, exception.path, 1, message, "take it out of the list of exceptions")
    });
    let stale: Vec<_> = stale.collect();
    let kept = findings.into_iter().filter(|finding| !EXCEPTIONS.iter().any(|exception| covers(exception, finding)));
    kept.chain(stale).collect()
}
