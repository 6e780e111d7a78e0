//! The SDK as authors use it: modules of handlers, called by name with requests.

mod errors;
mod extractors;
mod host;
mod macros;
mod responders;
mod websockets;

use mu_sdk::Response;

/// A response as `status`, its headers and its body, for comparing at a glance.
fn render(response: &Response) -> String {
    let mut text = response.status.to_string();
    for header in &response.headers {
        text.push_str(&format!("\n{}: {}", header.name, header.value));
    }
    text.push_str(&format!("\n\n{}", String::from_utf8_lossy(&response.body)));
    text
}
