//! What the path of a URL names: `/{stack}/{service}/{rest}`.

use std::borrow::Cow;

use crate::query::{NotText, decode_segment};

/// A path taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    /// The stack's id or name.
    pub(crate) stack: Cow<'a, str>,
    /// The name of a gateway or of a public box.
    pub(crate) service: Cow<'a, str>,
    /// What follows, still percent-encoded, with its leading slash.
    pub(crate) rest: &'a str,
}

impl<'a> Address<'a> {
    /// Takes a path apart; `None` when it is too short to name anything.
    pub(crate) fn parse(path: &'a str) -> Result<Option<Self>, NotText> {
        let Some(path) = path.strip_prefix('/') else { return Ok(None) };
        let Some(end) = slash(path) else { return Ok(None) };
        let (stack, rest) = (&path[..end], &path[end + 1..]);
        let (service, rest) = rest.split_at(slash(rest).unwrap_or(rest.len()));
        if stack.is_empty() || service.is_empty() {
            return Ok(None);
        }
        let rest = if rest.is_empty() { "/" } else { rest };
        Ok(Some(Self { stack: decode_segment(stack)?, service: decode_segment(service)?, rest }))
    }
}

/// Where the first slash is. Names are short, and for short text this beats a search made for long text.
fn slash(text: &str) -> Option<usize> {
    text.bytes().position(|byte| byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_stack_a_service_and_the_rest() {
        for (path, expected) in [
            ("/todo/api/items/1", Some(("todo", "api", "/items/1"))),
            ("/todo/api/", Some(("todo", "api", "/"))),
            ("/todo/api", Some(("todo", "api", "/"))),
            ("/todo/api//x", Some(("todo", "api", "//x"))),
            ("/t%6Fdo/%61pi/a%2Fb", Some(("todo", "api", "/a%2Fb"))),
            ("/", None),
            ("", None),
            ("*", None),
            ("/todo", None),
            ("/todo/", None),
            ("//api/x", None),
        ] {
            let address = Address::parse(path).unwrap();
            let parts = address.as_ref().map(|a| (&*a.stack, &*a.service, a.rest));
            assert_eq!(parts, expected, "{path}");
        }
        assert!(Address::parse("/%ff/api/").is_err());
    }
}
