//! Modules written by hand: they say and do exactly what a test wants.

/// A module that exports `_start` with this body, and `data` at address 16.
pub(crate) fn command(data: &[u8], body: &str) -> Vec<u8> {
    let data: String = data.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "{data}")
            (func $say (param $fd i32) (param $length i32)
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (local.get $length))
                (drop (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
            (func (export "_start") {body}))"#
    );
    wat::parse_str(text).unwrap()
}

/// A module that writes these bytes to its standard output and ends.
pub(crate) fn says(bytes: &[u8]) -> Vec<u8> {
    command(bytes, &format!("(call $say (i32.const 1) (i32.const {}))", bytes.len()))
}

/// The message `FunctionResult`: code 2, a status, headers, a body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut bytes = [2_u16.to_le_bytes(), status.to_le_bytes()].concat();
    bytes.extend(count(headers.len()));
    for text in headers.iter().flat_map(|(name, value)| [name, value]).chain([&body]) {
        bytes.extend(count(text.len()));
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// The message `FatalError`.
pub(crate) fn fatal(error: &str) -> Vec<u8> {
    [&1_u16.to_le_bytes()[..], &count(error.len()), error.as_bytes()].concat()
}

/// A well-behaved function: whatever it is asked, it answers 200 and this text.
pub(crate) fn answers(text: &str) -> Vec<u8> {
    says(&answer(200, &[("content-type", "text/plain")], text))
}

/// The message `Log`: code 3, a text, the level info.
pub(crate) fn log(line: &str) -> Vec<u8> {
    [&3_u16.to_le_bytes()[..], &count(line.len()), line.as_bytes(), &[2]].concat()
}

/// A length as Borsh writes it.
fn count(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap().to_le_bytes()
}
