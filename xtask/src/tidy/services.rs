//! Services take time, randomness and tasks from `env` alone, so that they run unchanged under simulated time.

use super::code::{Code, has_word};
use super::finding::{Finding, Rule};
use super::tree::Tree;

const SERVICES: &str = "crates/service/";

/// What reaches around `env`, and what to use instead.
const EFFECTS: [(&str, &str); 7] = [
    ("SystemTime", "take the time from the `Clock` of mu-env"),
    ("tokio::spawn", "spawn with the `Tasks` of mu-env: every task has an owner and a way to stop"),
    ("task::spawn", "spawn with the `Tasks` of mu-env: every task has an owner and a way to stop"),
    ("thread::spawn", "spawn with the `Tasks` of mu-env: every task has an owner and a way to stop"),
    ("thread::sleep", "sleep with the `Clock` of mu-env"),
    ("getrandom::", "take randomness from mu-env"),
    ("rand::", "take randomness from mu-env"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sources = tree.texts_ending(".rs").filter(|(path, _)| path.starts_with(SERVICES) && !path.contains("/tests"));
    for (path, text) in sources {
        // Tests stand last in a file, and may drive the clock themselves.
        let code = Code::of(text).code;
        let lines = code.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        for (at, line) in lines {
            // tokio's instants are simulated together with the clock of `env`; the standard library's are not.
            if line.contains("std::time") && has_word(line, "Instant") {
                let hint = "take it from the `Clock` of mu-env, or use `tokio::time::Instant`";
                findings.push(Finding::new(Rule::ServiceEffects, path, at + 1, "a service uses real instants", hint));
            }
            if let Some((effect, hint)) = EFFECTS.iter().find(|(effect, _)| starts_a_path(line, effect)) {
                let message = format!("a service uses `{}` directly", effect.trim_end_matches(':'));
                findings.push(Finding::new(Rule::ServiceEffects, path, at + 1, message, *hint));
            }
        }
    }
    findings
}

/// Whether `path` stands in the line and is not the end of a longer name (`my_rand::`).
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].chars().next_back().is_some_and(|char| char.is_alphanumeric() || char == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_no_effects_of_their_own() {
        for (path, line, allowed) in [
            ("crates/service/invoke/src/lib.rs", "let now = SystemTime::now();", false),
            ("crates/service/invoke/src/lib.rs", "let now = std::time::Instant::now();", false),
            ("crates/service/invoke/src/lib.rs", "use std::time::{Duration, Instant};", false),
            ("crates/service/invoke/src/lib.rs", "let now = tokio::time::Instant::now();", true),
            ("crates/service/invoke/src/lib.rs", "tokio::spawn(f());", false),
            ("crates/service/invoke/src/lib.rs", "tokio::task::spawn_blocking(f);", false),
            ("crates/service/invoke/src/lib.rs", "// not SystemTime", true),
            ("crates/service/invoke/src/lib.rs", "brand::new()", true),
            ("crates/service/invoke/src/lib.rs", "fn at(now: Instant)", true),
            ("crates/service/invoke/src/lib.rs", "#[cfg(test)]\nmod tests { use std::time::SystemTime; }", true),
            ("crates/service/invoke/tests/it.rs", "tokio::spawn(f());", true),
            ("crates/infra/env/src/clock.rs", "SystemTime::now()", true),
        ] {
            assert_eq!(check(&Tree::of(&[(path, line)])).is_empty(), allowed, "{path}: {line}");
        }
    }
}
