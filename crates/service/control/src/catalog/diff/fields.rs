//! A service as fields with text.
//!
//! Every service is taken apart completely: a field that a stack learns later does not compile here until it has a text.

use std::collections::BTreeMap;

use mu_stack::{
    AllowList, Artifact, Auth, ContainerSettings, Cors, Function, FunctionLimits, Gateway, HumanDuration, MethodSet,
    Runtime, Service, Stack, StorageBox, Table, WebSocketLimits,
};

use super::Services;

/// Texts of fields by their names.
pub(super) type Fields = BTreeMap<String, String>;

/// Names a service. Functions come first, then gateways, tables and boxes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServiceKey {
    order: u8,
    pub(super) kind: &'static str,
    pub(super) name: String,
}

pub(super) fn services(stack: &Stack) -> Services {
    stack.services().iter().map(service).collect()
}

fn service(service: &Service<Function>) -> (ServiceKey, Fields) {
    let (order, kind, name, fields) = match service {
        Service::Function(function) => (0, "Function", function.name.as_str(), of_function(function)),
        Service::Gateway(gateway) => (1, "Gateway", gateway.name.as_str(), of_gateway(gateway)),
        Service::Table(table) => (2, "KeyValueTable", table.name.as_str(), of_table(table)),
        Service::Box(storage) => (3, "Storage", storage.name.as_str(), of_box(storage)),
    };
    (ServiceKey { order, kind, name: name.to_owned() }, fields)
}

fn of_function(function: &Function) -> Fields {
    let Function { name: _, artifact, runtime, env, limits, instances, container, secrets, auth } = function;
    let FunctionLimits { memory, timeout, instructions, concurrency } = limits;
    let mut fields = Fields::new();
    let artifact = match artifact {
        Artifact::Module(path) => path.clone(),
        Artifact::Binary(binary) => binary.to_string(),
    };
    put(&mut fields, "artifact", artifact);
    put(&mut fields, "runtime", runtime);
    put(&mut fields, "memory_limit", memory);
    put(&mut fields, "timeout", HumanDuration::saturating_from(*timeout));
    put(&mut fields, "max_instructions", instructions);
    put(&mut fields, "max_concurrency", concurrency);
    put(&mut fields, "instances", instances.as_str());
    if *runtime == Runtime::Container {
        let ContainerSettings { idle_timeout, min_instances, network } = container;
        put(&mut fields, "idle_timeout", HumanDuration::saturating_from(*idle_timeout));
        put(&mut fields, "min_instances", min_instances);
        put(&mut fields, "network", network.as_str());
    }
    for (name, value) in env.iter() {
        put(&mut fields, &format!("env.{name}"), value);
    }
    for name in secrets {
        put(&mut fields, &format!("secrets.{}", name.as_str()), "declared");
    }
    if *auth != Auth::None {
        put(&mut fields, "auth", format!("{auth:?}"));
    }
    fields
}

fn of_gateway(gateway: &Gateway) -> Fields {
    let Gateway { name: _, routes, cors, websocket } = gateway;
    let mut fields = Fields::new();
    for route in routes.routes() {
        let path = route.template().as_str();
        for (method, handler) in route.handlers() {
            put(&mut fields, &format!("endpoints.{path}.{}", method.as_lower_case()), handler);
        }
        if let Some(handler) = route.websocket() {
            put(&mut fields, &format!("endpoints.{path}.websocket"), handler);
        }
        if route.is_empty() {
            put(&mut fields, &format!("endpoints.{path}"), "nothing");
        }
    }
    if let Some(cors) = cors {
        put_cors(&mut fields, cors);
    }
    let WebSocketLimits { message, connections, rate, idle_timeout } = websocket;
    put(&mut fields, "websocket.max_message", message);
    put(&mut fields, "websocket.max_connections", connections);
    put(&mut fields, "websocket.max_rate", rate);
    put(&mut fields, "websocket.idle_timeout", HumanDuration::saturating_from(*idle_timeout));
    fields
}

fn put_cors(fields: &mut Fields, cors: &Cors) {
    let Cors { allow_origins, allow_methods, allow_headers, expose_headers, allow_credentials, max_age } = cors;
    let listed = |list: &AllowList| match list {
        AllowList::Any => "*".to_owned(),
        AllowList::Only(entries) => entries.join(", "),
    };
    let methods = |set: &MethodSet| set.to_string();
    put(fields, "cors.allow_origins", listed(allow_origins));
    put(fields, "cors.allow_methods", allow_methods.as_ref().map_or_else(|| "those of the path".to_owned(), methods));
    put(fields, "cors.allow_headers", listed(allow_headers));
    put(fields, "cors.expose_headers", expose_headers.join(", "));
    put(fields, "cors.allow_credentials", allow_credentials);
    if let Some(age) = max_age {
        put(fields, "cors.max_age", HumanDuration::saturating_from(*age));
    }
}

fn of_table(table: &Table) -> Fields {
    let Table { name: _, delete } = table;
    let mut fields = Fields::new();
    put(&mut fields, "delete", delete);
    fields
}

fn of_box(storage: &StorageBox) -> Fields {
    let StorageBox { name: _, delete, public } = storage;
    let mut fields = Fields::new();
    put(&mut fields, "delete", delete);
    put(&mut fields, "public", public);
    fields
}

#[expect(clippy::needless_pass_by_value, reason = "callers hand over texts and references alike")]
fn put(fields: &mut Fields, name: &str, value: impl ToString) {
    fields.insert(name.to_owned(), value.to_string());
}
