//! Speaks the protocol byte by byte, with the standard library alone, well and badly.
//!
//! It shares no code with the runtime or the SDK, so that a mistake they have in common shows. The name of the handler
//! that is asked for chooses what it does.

mod all_operations;
mod wire;

use std::{fs::File, io::Read, os::fd::FromRawFd};

use wire::{Bytes, Request, result, send};

fn main() {
    let request = wire::receive_request();
    match request.function.as_str() {
        "hello" => send(&result(200, &[("content-type", "text/plain")], b"hello from bytes")),
        "echo" => send(&result(200, &[], &request.body)),
        "describe" => send(&result(200, &[], describe(&request).as_bytes())),
        "all_operations" => send(&result(200, &[], all_operations::run().as_bytes())),
        "fatal" => send(&Bytes::of_code(1).text("it is over")),
        "log_then_result" => {
            send(&Bytes::of_code(3).text("a line\nand another").byte(1));
            send(&result(204, &[], b""));
        }

        // What follows is wrong, each in its own way.
        "silent" => {}
        "junk" => send(&Bytes::default().raw(b"this is not a message")),
        "unknown_code" => send(&Bytes::of_code(999).text("?")),
        "truncated" => {
            let whole = result(200, &[], b"cut off");
            send(&Bytes::default().raw(&whole.0[..whole.0.len() - 3]));
        }
        "declares_too_much" => send(&Bytes::of_code(2).status(200).count(0).count(u32::MAX)),
        "declares_too_many" => send(&Bytes::of_code(1009).count(u32::MAX)),
        "not_text" => send(&Bytes::of_code(1).bytes(&[0xff, 0xfe])),
        "bad_log_level" => send(&Bytes::of_code(3).text("?").byte(9)),
        "two_results" => {
            send(&result(200, &[], b"the first"));
            send(&result(200, &[], b"the second"));
        }
        "result_then_spin" => {
            send(&result(200, &[], b"done"));
            loop {
                std::hint::spin_loop();
            }
        }
        "result_then_trap" => {
            send(&result(200, &[], b"done"));
            std::process::abort();
        }
        "invalid_status" => send(&result(42, &[], b"")),
        "invalid_header_name" => send(&result(200, &[("a b", "c")], b"")),
        "invalid_header_value" => send(&result(200, &[("a", "b\r\nset-cookie: c=d")], b"")),
        "trickle" => {
            for byte in result(200, &[], b"one byte at a time").0 {
                send(&Bytes::default().byte(byte));
            }
        }
        "close_stdin" => {
            // SAFETY: nothing else uses standard input from here on.
            drop(unsafe { File::from_raw_fd(0) });
            send(&result(200, &[], b"closed"));
        }
        "close_stdout" => {
            // SAFETY: nothing else uses standard output from here on.
            drop(unsafe { File::from_raw_fd(1) });
        }
        "read_for_ever" => {
            let read = std::io::stdin().read_to_end(&mut Vec::new());
            send(&result(200, &[], format!("{read:?}").as_bytes()));
        }
        "two_questions_at_once" => {
            send(&Bytes::of_code(1007).text(""));
            send(&Bytes::of_code(1007).text(""));
            let codes = [wire::receive().0, wire::receive().0];
            send(&result(200, &[], format!("{codes:?}").as_bytes()));
        }
        other => send(&Bytes::of_code(1).text(&format!("no handler `{other}`"))),
    }
}

fn describe(request: &Request) -> String {
    let Request { function, method, path_params, query_params, headers, body } = request;
    format!("{function} {method} {path_params:?} {query_params:?} {headers:?} {}", body.len())
}
