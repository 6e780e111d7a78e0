//! Reads the list of services.

use crate::declarations::Declarations;
use crate::keys::{self, Key};
use crate::name::FunctionName;
use crate::problem::Problems;
use crate::stack::{Gateway, Service, StorageBox, Table};
use crate::suggest::closest;
use crate::yaml::{Node, Value};

use super::{Fields, cross_origin, routes, shown, websocket};

/// How functions are written, which is where `mu.yaml` and the form of a deployed stack differ.
pub(crate) struct FunctionForm<F> {
    pub(crate) keys: &'static [Key],
    pub(crate) read: fn(Option<FunctionName>, &Fields<'_>, &mut Problems) -> Option<F>,
}

/// All services that could be read; what is wrong with them, and between them, is noted.
pub(crate) fn read<F>(fields: &Fields<'_>, form: &FunctionForm<F>, problems: &mut Problems) -> Vec<Service<F>> {
    let mut declared = Declarations::default();
    let mut services = Vec::new();
    for (index, node) in fields.list("services", problems).iter().enumerate() {
        if !declared.service(Some(node.position), problems) {
            break;
        }
        services.extend(service(index, node, form, &mut declared, problems));
    }
    declared.check(problems);
    services
}

fn service<F>(
    index: usize,
    node: &Node,
    form: &FunctionForm<F>,
    declared: &mut Declarations,
    problems: &mut Problems,
) -> Option<Service<F>> {
    problems.enter(Some(format!("service {}", index + 1)));
    let kind = kind(node, problems)?;
    if let Some(name) = value_of(node, "name").and_then(Node::text).filter(|name| !name.is_empty()) {
        problems.enter(Some(format!("{} `{}`", kind.word(), shown(name))));
    }
    let service = match kind {
        Kind::Function => {
            let fields = Fields::of(node, form.keys, "a function", problems)?;
            let name = fields.parsed_text("name", problems);
            if let Some((name, position)) = &name {
                declared.function(name, Some(*position), problems);
            }
            Service::Function((form.read)(name.map(|(name, _)| name), &fields, problems)?)
        }
        Kind::Gateway => {
            let fields = Fields::of(node, keys::GATEWAY, "a gateway", problems)?;
            let name = fields.parsed_text("name", problems);
            if let Some((name, position)) = &name {
                declared.gateway(name, Some(*position), problems);
            }
            let routes = routes::endpoints(&fields, declared, problems);
            let cors = fields.entry("cors").and_then(|entry| cross_origin::read(&entry.node, problems));
            let websocket = fields.entry("websocket").map(|entry| websocket::read(&entry.node, problems));
            Service::Gateway(Gateway { name: name?.0, routes, cors, websocket: websocket.unwrap_or_default() })
        }
        Kind::Table => {
            let fields = Fields::of(node, keys::TABLE, "a table", problems)?;
            let name = fields.parsed_text("name", problems);
            if let Some((name, position)) = &name {
                declared.table(name, Some(*position), problems);
            }
            let delete = fields.flag("delete", problems);
            Service::Table(Table { name: name?.0, delete })
        }
        Kind::Storage => {
            let fields = Fields::of(node, keys::STORAGE, "a box", problems)?;
            let name = fields.parsed_text("name", problems);
            if let Some((name, position)) = &name {
                declared.storage(name, Some(*position), problems);
            }
            let (delete, public) = (fields.flag("delete", problems), fields.flag("public", problems));
            let name = name?.0;
            if public {
                declared.public_box(&name);
            }
            Service::Box(StorageBox { name, delete, public })
        }
    };
    Some(service)
}

#[derive(Clone, Copy)]
enum Kind {
    Function,
    Gateway,
    Table,
    Storage,
}

impl Kind {
    /// The glossary's word.
    fn word(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Gateway => "gateway",
            Self::Table => "table",
            Self::Storage => "box",
        }
    }
}

/// What `type` says, before it is known which keys the service may have.
fn kind(node: &Node, problems: &mut Problems) -> Option<Kind> {
    let Value::Map(_) = &node.value else {
        problems.add(node.position, format!("a service is a map of keys, but this is {}", node.describe()));
        return None;
    };
    let listed = || keys::SERVICE_TYPES.join(", ");
    let Some(written) = value_of(node, "type") else {
        problems.hint(node.position, "the service has no `type`", format!("add one of {}", listed()));
        return None;
    };
    match written.scalar() {
        Some("Function") => Some(Kind::Function),
        Some("Gateway") => Some(Kind::Gateway),
        Some("KeyValueTable") => Some(Kind::Table),
        Some("Storage") => Some(Kind::Storage),
        Some(other) => {
            let hint = match closest(other, keys::SERVICE_TYPES) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("use one of {}", listed()),
            };
            problems.hint(written.position, format!("unknown type of service: `{}`", shown(other)), hint);
            None
        }
        None => {
            let message = format!("`type` is one of {}, but this is {}", listed(), written.describe());
            problems.add(written.position, message);
            None
        }
    }
}

fn value_of<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
        _ => None,
    }
}
