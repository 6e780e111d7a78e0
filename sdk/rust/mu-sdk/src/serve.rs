//! The program's life: one request, one response.

use std::{panic, rc::Rc};

use mu_abi::{Incoming, Outgoing, Response};

use crate::{
    context::MuContext,
    handler::Handler,
    logger,
    respond::IntoResponse,
    stdio::{self, Stdio},
};

/// Reads a request from standard input, has it handled by the handler it names, and writes the response to standard
/// output. [`mu_functions`](crate::mu_functions) writes a `main` that calls this.
///
/// What goes wrong before there is a response, a panic included, is told to the host as the function's fatal error.
pub fn serve(handlers: &[Handler]) {
    tell_of_panics();
    logger::send_to_host();
    let message = match handle(handlers) {
        Ok(response) => Outgoing::FunctionResult(response),
        Err(reason) => Outgoing::FatalError(reason),
    };
    // When the result cannot be written, there is nobody left to tell.
    let _ = stdio::send(&message);
}

/// Handles the one request; an error is why there is no response.
fn handle(handlers: &[Handler]) -> Result<Response, String> {
    let host = Rc::new(Stdio::default());
    let (function, request) = match host.receive() {
        Ok(Incoming::ExecuteFunction { function, request }) => (function, request),
        Ok(_) => return Err("the host's first message was not the request to handle".to_owned()),
        Err(error) => return Err(format!("could not read the request: {error}")),
    };
    let handler = Handler::find(handlers, &function)?;
    let result = handler.run(&mut MuContext::new(host), &request);
    Ok(result.unwrap_or_else(IntoResponse::into_response))
}

/// Has panics end the program with a fatal error that tells their message and place, instead of a mere trap.
fn tell_of_panics() {
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        let reason = match panic.location() {
            Some(place) => format!("panicked at {}:{}:{}: {message}", place.file(), place.line(), place.column()),
            None => format!("panicked: {message}"),
        };
        let _ = stdio::send(&Outgoing::FatalError(reason));
    }));
}
