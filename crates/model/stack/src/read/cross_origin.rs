//! Reads `cors` of a gateway.

use crate::cors::{AllowList, Cors, is_header_name, is_origin};
use crate::duration::HumanDuration;
use crate::keys;
use crate::limits::{CORS_ENTRIES_MAX, CORS_MAX_AGE_MAX};
use crate::method::MethodSet;
use crate::problem::Problems;
use crate::yaml::{Node, Value};

use super::routes::method;
use super::{Fields, text};

/// Reads the rules, and notes what is wrong with them.
pub(crate) fn read(node: &Node, problems: &mut Problems) -> Option<Cors> {
    let fields = Fields::of(node, keys::CROSS_ORIGIN, "`cors`", problems)?;
    let listed_methods = fields.entry("allow_methods").map(|_| fields.list("allow_methods", problems));
    let cors = Cors {
        allow_origins: allow_list(&fields, "allow_origins", problems),
        allow_methods: listed_methods.and_then(|items| methods(items, problems)),
        allow_headers: allow_list(&fields, "allow_headers", problems),
        expose_headers: texts(fields.list("expose_headers", problems), "a header", problems),
        allow_credentials: fields.flag("allow_credentials", problems),
        max_age: fields.parsed::<HumanDuration>("max_age", problems).map(|(age, _)| age.duration()),
    };
    for Wrong { key, message, hint } in mistakes(&cors) {
        let position = fields.entry(key).map_or(node.position, |entry| entry.node.position);
        problems.hint(position, message, hint.map(str::to_owned));
    }
    Some(cors)
}

/// A rule that can't be kept.
pub(crate) struct Wrong {
    key: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

/// What is wrong with rules from wherever they come.
pub(crate) fn mistakes(cors: &Cors) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut note = |key, message: String, hint| wrong.push(Wrong { key, message, hint });
    match &cors.allow_origins {
        AllowList::Any if cors.allow_credentials => {
            let hint = Some("list the origins that may send credentials");
            note("allow_credentials", "`allow_credentials` can't be combined with all origins".to_owned(), hint);
        }
        AllowList::Any => {}
        AllowList::Only(origins) if origins.is_empty() => {
            note("allow_origins", "`allow_origins` is empty".to_owned(), Some("leave `cors` out to allow none"));
        }
        AllowList::Only(origins) => {
            for origin in origins.iter().filter(|origin| !is_origin(origin)) {
                let message = format!("`{}` is not an origin", super::shown(origin));
                note("allow_origins", message, Some("an origin is scheme and host, like https://example.com"));
            }
        }
    }
    if cors.allow_methods.is_some_and(MethodSet::is_empty) {
        let hint = Some("leave it out to allow the methods that the path has");
        note("allow_methods", "`allow_methods` is empty".to_owned(), hint);
    }
    let listed = |list: &AllowList| if let AllowList::Only(names) = list { names.clone() } else { Vec::new() };
    let allow_headers = listed(&cors.allow_headers);
    for (key, names) in [("allow_headers", &allow_headers), ("expose_headers", &cors.expose_headers)] {
        for name in names.iter().filter(|name| !is_header_name(name)) {
            note(key, format!("`{}` is not the name of a header", super::shown(name)), None);
        }
    }
    for (key, count) in [
        ("allow_origins", listed(&cors.allow_origins).len()),
        ("allow_headers", allow_headers.len()),
        ("expose_headers", cors.expose_headers.len()),
    ] {
        if count > CORS_ENTRIES_MAX {
            note(key, format!("`{key}` has {count} entries, more than the most, {CORS_ENTRIES_MAX}"), None);
        }
    }
    if let Some(age) = cors.max_age.filter(|age| *age > CORS_MAX_AGE_MAX) {
        let (age, most) = (HumanDuration::saturating_from(age), HumanDuration::saturating_from(CORS_MAX_AGE_MAX));
        note("max_age", format!("`max_age` is {age}, more than the most, {most}"), None);
    }
    wrong
}

/// `"*"`, as a text or as the only item of a list, or a list; everything when it isn't there.
fn allow_list(fields: &Fields<'_>, name: &str, problems: &mut Problems) -> AllowList {
    let Some(entry) = fields.entry(name) else { return AllowList::Any };
    match &entry.node.value {
        Value::Scalar { text, .. } if text == "*" => AllowList::Any,
        Value::List(items) => match texts(items, "an entry", problems) {
            entries if entries == ["*"] => AllowList::Any,
            entries => AllowList::Only(entries),
        },
        _ => {
            let found = entry.node.describe();
            problems.add(entry.node.position, format!("`{name}` is a list or \"*\", but this is {found}"));
            AllowList::Any
        }
    }
}

fn texts(items: &[Node], what: &str, problems: &mut Problems) -> Vec<String> {
    items.iter().filter_map(|item| text(item, what, problems)).map(str::to_owned).collect()
}

/// The methods of a list that is there. A list of mistakes only is not reported as empty, too.
fn methods(items: &[Node], problems: &mut Problems) -> Option<MethodSet> {
    let mut read = |item: &Node| method(text(item, "a method", problems)?, item.position, problems);
    let methods: MethodSet = items.iter().filter_map(&mut read).collect();
    (items.is_empty() || !methods.is_empty()).then_some(methods)
}
