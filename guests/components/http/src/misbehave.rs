//! What functions should not do, and some do.

use std::time::Duration;

use wasip2::http::types::{ErrorCode, Fields, OutgoingResponse, ResponseOutparam};

use crate::answer::{begin, pause, respond, write};

/// A number that takes `rounds` rounds to find.
pub(crate) fn compute(rounds: u64) -> u64 {
    let mut number = 1_u64;
    for round in 0..rounds {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round));
    }
    number
}

/// Takes so many MiB, and answers with how many it got.
pub(crate) fn grow(mib: u64) -> u64 {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for taken in 0..mib {
        let mut block = Vec::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            return taken;
        }
        block.push(std::hint::black_box(1));
        blocks.push(block);
    }
    mib
}

/// Makes the host work: asks for random bytes so many times.
pub(crate) fn random(times: u64) -> usize {
    (0..times).map(|_| wasip2::random::random::get_random_bytes(64 << 10).len()).sum()
}

pub(crate) fn on_purpose(how: &str, out: ResponseOutparam) {
    match how {
        "trap" => unreachable!("on purpose"),
        "exit" => std::process::exit(3),
        "silent" => drop(out),
        "code" => ResponseOutparam::set(out, Err(ErrorCode::LoopDetected)),
        "spin" => loop {
            std::hint::black_box(0);
        },
        "sleep" => {
            pause(Duration::from_secs(3600));
            respond(out, 200, "late");
        }
        // The response's head is sent, and then nothing comes.
        "stall" => {
            let body = begin(out, 200, &[]);
            write(&body, b"begun");
            pause(Duration::from_secs(3600));
        }
        "unfinished" => {
            let body = begin(out, 200, &[]);
            write(&body, b"begun");
        }
        "half" => {
            let body = begin(out, 200, &[]);
            write(&body, &vec![b'x'; 4 << 20]);
            unreachable!("after half of it");
        }
        "short" => {
            let body = begin(out, 200, &[("content-length", "100")]);
            write(&body, b"short");
            let _ = wasip2::http::types::OutgoingBody::finish(body, None);
        }
        // All is said, and only then something goes wrong.
        "after" => {
            respond(out, 200, "said");
            unreachable!("afterwards");
        }
        "headers" => {
            let fields = Fields::new();
            for index in 0..3_000 {
                if fields.append(&format!("x-{index}"), b"value").is_err() {
                    break;
                }
            }
            let response = OutgoingResponse::new(fields);
            drop(response.body().unwrap());
            ResponseOutparam::set(out, Ok(response));
        }
        // Handles without end.
        "handles" => {
            let mut handles = Vec::new();
            loop {
                handles.push(Fields::new());
            }
        }
        other => respond(out, 404, &format!("no such path: {other}")),
    }
}
