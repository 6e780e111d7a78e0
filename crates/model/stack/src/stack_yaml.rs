//! The YAML form of a deployed stack: a manifest whose functions say which `binary` they run.

use std::fmt::Write as _;

use crate::auth::{Auth, JwtAuth};
use crate::container::{ContainerSettings, Network};
use crate::cors::{AllowList, Cors};
use crate::duration::HumanDuration;
use crate::keys;
use crate::problem::{Problems, Report};
use crate::read::services::FunctionForm;
use crate::read::{Fields, function, services};
use crate::route::Verb;
use crate::stack::{Artifact, Function, FunctionLimits, Gateway, Instances, NotUploaded, Service, Stack};
use crate::websocket::WebSocketLimits;
use crate::yaml;

impl Stack {
    /// Reads the YAML form of a deployed stack. `file` is only what the report calls it.
    ///
    /// The same as `mu.yaml`, but for functions, which have `binary` where a manifest has `lang`, `build`, `module`,
    /// `source` and `env_dev`; and there is no `dev_id`.
    ///
    /// # Errors
    ///
    /// Every mistake that could be found.
    pub fn parse_yaml(file: &str, bytes: &[u8]) -> Result<Self, Report> {
        let mut problems = Problems::default();
        let stack = read(bytes, &mut problems);
        problems.result(file, stack)
    }

    /// Writes the form that [`Stack::parse_yaml`] reads; what has its default value is left out.
    pub fn to_yaml(&self) -> Result<String, NotUploaded> {
        let mut out = String::new();
        line(&mut out, 0, "name", &quoted(self.name.as_str()));
        line(&mut out, 0, "version", &quoted(&self.version));
        out.push_str(if self.services.is_empty() { "services: []\n" } else { "services:\n" });
        for service in &self.services {
            match service {
                Service::Function(function) => write_function(&mut out, function)?,
                Service::Gateway(gateway) => write_gateway(&mut out, gateway),
                Service::Table(table) => {
                    start(&mut out, "KeyValueTable", table.name.as_str());
                    flag(&mut out, "delete", table.delete);
                }
                Service::Box(storage) => {
                    start(&mut out, "Storage", storage.name.as_str());
                    flag(&mut out, "delete", storage.delete);
                    flag(&mut out, "public", storage.public);
                }
            }
        }
        Ok(out)
    }
}

fn read(bytes: &[u8], problems: &mut Problems) -> Option<Stack> {
    let document = yaml::parse(bytes, problems)?;
    let fields = Fields::of(&document, keys::STACK, "a stack", problems)?;
    let name = fields.parsed_text("name", problems);
    let version = fields.version(problems);
    let form = FunctionForm { keys: keys::STACK_FUNCTION, read: function::of_stack };
    let services = services::read(&fields, &form, problems);
    Some(Stack { name: name?.0, version: version?, services })
}

fn write_function(out: &mut String, function: &Function) -> Result<(), NotUploaded> {
    let Artifact::Binary(binary) = &function.artifact else {
        return Err(NotUploaded { function: function.name.clone() });
    };
    start(out, "Function", function.name.as_str());
    line(out, 4, "binary", &quoted(binary.as_str()));
    line(out, 4, "runtime", function.runtime.as_str());
    let (limits, usual) = (&function.limits, FunctionLimits::default());
    line(out, 4, "memory_limit", &limits.memory.to_string());
    if limits.timeout != usual.timeout {
        line(out, 4, "timeout", &HumanDuration::saturating_from(limits.timeout).to_string());
    }
    if limits.instructions != usual.instructions {
        line(out, 4, "max_instructions", &limits.instructions.to_string());
    }
    if limits.concurrency != usual.concurrency {
        line(out, 4, "max_concurrency", &limits.concurrency.to_string());
    }
    if function.instances != Instances::default() {
        line(out, 4, "instances", function.instances.as_str());
    }
    let (container, usual) = (&function.container, ContainerSettings::default());
    if container.idle_timeout != usual.idle_timeout {
        line(out, 4, "idle_timeout", &HumanDuration::saturating_from(container.idle_timeout).to_string());
    }
    if container.min_instances != usual.min_instances {
        line(out, 4, "min_instances", &container.min_instances.to_string());
    }
    if container.network != Network::default() {
        line(out, 4, "network", container.network.as_str());
    }
    if !function.env.is_empty() {
        out.push_str("    env:\n");
        for (name, value) in function.env.iter() {
            line(out, 6, &quoted(name), &quoted(value));
        }
    }
    if !function.secrets.is_empty() {
        line(out, 4, "secrets", &sequence(function.secrets.iter().map(ToString::to_string)));
    }
    if !function.auth.is_none() {
        line(out, 4, "auth", &auth(&function.auth));
    }
    Ok(())
}

fn write_gateway(out: &mut String, gateway: &Gateway) {
    start(out, "Gateway", gateway.name.as_str());
    let routes = gateway.routes.routes();
    out.push_str(if routes.is_empty() { "    endpoints: {}\n" } else { "    endpoints:\n" });
    for route in routes {
        let _ = writeln!(out, "      {}:", quoted(route.template().as_str()));
        let methods = route.handlers().iter().map(|(method, to)| (method.as_lower_case(), Verb::Method(*method), to));
        let websocket = route.websocket().map(|handler| (keys::WEBSOCKET_VERB, Verb::WebSocket, handler));
        for (word, verb, handler) in methods.chain(websocket) {
            let handler = quoted(&handler.to_string());
            // All handlers of a path are written the same way, and only the longer one has room for `auth`.
            if route.has_auth() {
                let auth = route.auth(verb).map(|own| format!(", auth: {}", auth(own))).unwrap_or_default();
                let _ = writeln!(out, "        - {{method: {word}, route_to: {handler}{auth}}}");
            } else {
                line(out, 8, word, &handler);
            }
        }
    }
    if let Some(cors) = &gateway.cors {
        write_cors(out, cors);
    }
    if gateway.websocket != WebSocketLimits::default() {
        write_websocket(out, &gateway.websocket);
    }
}

fn auth(auth: &Auth) -> String {
    match auth {
        Auth::None => "none".to_owned(),
        Auth::Token => "token".to_owned(),
        Auth::Jwt(JwtAuth { issuer, audience, claims }) => {
            let audience = audience.as_ref().map(|audience| format!(", audience: {}", quoted(audience)));
            let claims: Vec<_> =
                claims.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value))).collect();
            let claims = (!claims.is_empty()).then(|| format!(", claims: {{{}}}", claims.join(", ")));
            let (audience, claims) = (audience.unwrap_or_default(), claims.unwrap_or_default());
            format!("{{jwt: {{issuer: {}{audience}{claims}}}}}", quoted(issuer.as_str()))
        }
    }
}

fn write_websocket(out: &mut String, limits: &WebSocketLimits) {
    let usual = WebSocketLimits::default();
    out.push_str("    websocket:\n");
    if limits.message != usual.message {
        line(out, 6, "max_message", &limits.message.to_string());
    }
    if limits.connections != usual.connections {
        line(out, 6, "max_connections", &limits.connections.to_string());
    }
    if limits.rate != usual.rate {
        line(out, 6, "max_rate", &limits.rate.to_string());
    }
    if limits.idle_timeout != usual.idle_timeout {
        line(out, 6, "idle_timeout", &HumanDuration::saturating_from(limits.idle_timeout).to_string());
    }
}

fn write_cors(out: &mut String, cors: &Cors) {
    out.push_str("    cors:\n");
    let allow = |list: &AllowList| match list {
        AllowList::Any => "\"*\"".to_owned(),
        AllowList::Only(entries) => sequence(entries.iter().map(|entry| quoted(entry))),
    };
    line(out, 6, "allow_origins", &allow(&cors.allow_origins));
    if let Some(methods) = cors.allow_methods {
        line(out, 6, "allow_methods", &sequence(methods.iter().map(|method| method.as_lower_case().to_owned())));
    }
    line(out, 6, "allow_headers", &allow(&cors.allow_headers));
    if !cors.expose_headers.is_empty() {
        line(out, 6, "expose_headers", &sequence(cors.expose_headers.iter().map(|name| quoted(name))));
    }
    if cors.allow_credentials {
        line(out, 6, "allow_credentials", "true");
    }
    if let Some(age) = cors.max_age {
        line(out, 6, "max_age", &HumanDuration::saturating_from(age).to_string());
    }
}

fn start(out: &mut String, kind: &str, name: &str) {
    let _ = writeln!(out, "  - type: {kind}");
    line(out, 4, "name", &quoted(name));
}

fn flag(out: &mut String, key: &str, value: bool) {
    if value {
        line(out, 4, key, "true");
    }
}

fn line(out: &mut String, indent: usize, key: &str, value: &str) {
    let _ = writeln!(out, "{:indent$}{key}: {value}", "");
}

fn sequence(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A double-quoted scalar; what YAML may not carry as it is becomes an escape.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ if character.is_alphanumeric() => quoted.push(character),
            _ => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(character));
            }
        }
    }
    quoted.push('"');
    quoted
}
