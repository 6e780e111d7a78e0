//! Reads `websocket` of a gateway.

use std::time::Duration;

use crate::duration::HumanDuration;
use crate::keys;
use crate::problem::Problems;
use crate::size::ByteSize;
use crate::websocket::WebSocketLimits;
use crate::yaml::Node;

use super::{Fields, shown};

/// Reads the limits, and notes what is wrong with them.
pub(crate) fn read(node: &Node, problems: &mut Problems) -> WebSocketLimits {
    let usual = WebSocketLimits::default();
    if node.is_null() {
        return usual;
    }
    let Some(fields) = Fields::of(node, keys::WEBSOCKETS, "`websocket` of a gateway", problems) else { return usual };
    let message = fields.parsed::<ByteSize>("max_message", problems).map(|(message, _)| message);
    let idle: Option<Duration> =
        fields.parsed::<HumanDuration>("idle_timeout", problems).map(|(time, _)| time.duration());
    let limits = WebSocketLimits {
        message: message.unwrap_or(usual.message),
        connections: count(&fields, "max_connections", problems).unwrap_or(usual.connections),
        rate: count(&fields, "max_rate", problems).unwrap_or(usual.rate),
        idle_timeout: idle.unwrap_or(usual.idle_timeout),
    };
    for (key, message) in limits.mistakes() {
        problems.add(fields.entry(key).map(|entry| entry.node.position), message);
    }
    limits
}

/// A whole number. One that is too large for its type is over its limit as well, which is then reported.
fn count(fields: &Fields<'_>, name: &str, problems: &mut Problems) -> Option<u32> {
    let entry = fields.entry(name)?;
    let digits = entry.node.scalar().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(digits) = digits else {
        let found =
            entry.node.scalar().map_or_else(|| entry.node.describe().to_string(), |text| format!("`{}`", shown(text)));
        problems.add(entry.node.position, format!("`{name}` is a whole number, but this is {found}"));
        return None;
    };
    Some(digits.parse().unwrap_or(u32::MAX))
}
