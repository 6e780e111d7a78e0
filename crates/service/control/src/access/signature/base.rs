//! What is signed: the signature base of RFC 9421, section 2.5.

use std::fmt::Write;

use super::super::RequestHead;
use super::authority::normalised;

/// The components of a request without a body, as they stand in `signature-input`.
pub(super) const WITHOUT_BODY: &str = r#"("@method" "@authority" "@path" "@query")"#;
/// The components of a request with a body.
pub(super) const WITH_BODY: &str = r#"("@method" "@authority" "@path" "@query" "content-digest")"#;

/// The base of a request. `input` is what `signature-input` has after the label; `content_digest` the value of that
/// header, if it is covered.
pub(super) fn of_request(head: &RequestHead<'_>, authority: &str, content_digest: Option<&str>, input: &str) -> String {
    let authority = normalised(authority);
    let query = format!("?{}", head.uri.query().unwrap_or_default());
    let mut components =
        vec![("@method", head.method.as_str()), ("@authority", &authority), ("@path", path(head)), ("@query", &query)];
    components.extend(content_digest.map(|digest| ("content-digest", digest)));
    of(&components, input)
}

/// The base of these components with their values, and the signature's parameters.
pub(super) fn of(components: &[(&str, &str)], input: &str) -> String {
    let mut base = String::new();
    for (name, value) in components {
        writeln!(base, "\"{name}\": {value}").expect("a string takes all that is written");
    }
    base + "\"@signature-params\": " + input
}

/// The path; that of a request for `*` or for an authority alone is empty, and stands for the root.
fn path<'a>(head: &RequestHead<'a>) -> &'a str {
    match head.uri.path() {
        "" => "/",
        path => path,
    }
}
