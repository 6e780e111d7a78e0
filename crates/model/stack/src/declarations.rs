//! What the services of a stack must not do to each other: share names, or route to functions that aren't there.

use std::collections::BTreeMap;

use crate::limits::SERVICES_MAX;
use crate::name::{BoxName, FunctionName, GatewayName, HandlerRef, Name, NameKind, TableName};
use crate::problem::{Position, Problems};
use crate::suggest::closest;

type Declared<N> = BTreeMap<N, Option<Position>>;

/// Gathers the names and routes of a stack while it is read, and looks at them together at the end.
///
/// A service with mistakes of its own is declared too, so that one mistake isn't reported as several.
#[derive(Default)]
pub(crate) struct Declarations {
    functions: Declared<FunctionName>,
    gateways: Declared<GatewayName>,
    tables: Declared<TableName>,
    boxes: Declared<BoxName>,
    public_boxes: Vec<BoxName>,
    routes: Vec<(Option<Position>, Option<String>, HandlerRef)>,
    services: usize,
}

impl Declarations {
    /// Counts a service; `false` when there are more than a stack may have.
    pub(crate) fn service(&mut self, position: Option<Position>, problems: &mut Problems) -> bool {
        self.services += 1;
        if self.services == SERVICES_MAX + 1 {
            problems.enter(None);
            problems.hint(
                position,
                format!("the stack has more than the most services, {SERVICES_MAX}"),
                "split it into several stacks".to_owned(),
            );
        }
        self.services <= SERVICES_MAX
    }

    pub(crate) fn function(&mut self, name: &FunctionName, position: Option<Position>, problems: &mut Problems) {
        declare(&mut self.functions, name, position, problems);
    }

    pub(crate) fn gateway(&mut self, name: &GatewayName, position: Option<Position>, problems: &mut Problems) {
        declare(&mut self.gateways, name, position, problems);
    }

    pub(crate) fn table(&mut self, name: &TableName, position: Option<Position>, problems: &mut Problems) {
        declare(&mut self.tables, name, position, problems);
    }

    pub(crate) fn storage(&mut self, name: &BoxName, position: Option<Position>, problems: &mut Problems) {
        declare(&mut self.boxes, name, position, problems);
    }

    pub(crate) fn public_box(&mut self, name: &BoxName) {
        self.public_boxes.push(name.clone());
    }

    /// Notes a route, to be followed when all functions are known.
    pub(crate) fn route(&mut self, handler: &HandlerRef, position: Option<Position>, problems: &Problems) {
        self.routes.push((position, problems.context(), handler.clone()));
    }

    pub(crate) fn check(self, problems: &mut Problems) {
        for (position, context, handler) in &self.routes {
            let function = &handler.function;
            if self.functions.contains_key(function) {
                continue;
            }
            problems.enter(context.clone());
            let names = || self.functions.keys().map(Name::as_str);
            let meant = if problems.is_full() { None } else { closest(function.as_str(), names()) };
            let hint = match meant {
                Some(meant) => format!("did you mean `{meant}.{}`?", handler.handler),
                None if self.functions.is_empty() => "the stack has no function".to_owned(),
                None => format!("the stack's functions are {}", listed(names())),
            };
            problems.hint(
                *position,
                format!("the route leads to `{handler}`, but no function is named `{function}`"),
                hint,
            );
        }
        problems.enter(None);
        for name in &self.public_boxes {
            if !self.gateways.contains_key(name.as_str()) {
                continue;
            }
            problems.hint(
                self.boxes.get(name).copied().flatten(),
                format!(
                    "a gateway and a public box are both named `{name}`, and both would answer under /<stack>/{name}/"
                ),
                "rename one of them".to_owned(),
            );
        }
    }
}

fn declare<K: NameKind + Ord + Clone>(
    declared: &mut Declared<Name<K>>,
    name: &Name<K>,
    position: Option<Position>,
    problems: &mut Problems,
) {
    if let Some(first) = declared.get(name) {
        let hint = first.map(|first| format!("the first one is on line {}", first.line));
        problems.hint(position, format!("two services of kind {} are named `{name}`", K::WHAT), hint);
    } else {
        declared.insert(name.clone(), position);
    }
}

/// The first few names, for a hint.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<String> = names.take(SHOWN + 1).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        names.truncate(SHOWN);
        names.push("…".to_owned());
    }
    names.join(", ")
}
