//! A stream of events, as the HTML standard writes them: `event:` and `data:` lines, and an empty one at the end of
//! each event.

use std::io::{self, BufRead, BufReader, Read};

/// Longest line, in bytes; a line of a log has 64 KiB at most, six times as many when every character is escaped.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of one event.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    /// What it is called; `message` when it has no name.
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Events as they come. Ends when the node ends the stream, or with an error when the connection breaks.
pub(crate) struct ServerEvents {
    reader: Box<dyn BufRead>,
}

impl ServerEvents {
    pub(super) fn new(reader: impl Read + 'static) -> Self {
        Self { reader: Box::new(BufReader::new(reader)) }
    }

    fn event(&mut self) -> io::Result<Option<ServerEvent>> {
        let (mut event, mut is_empty) = (ServerEvent::default(), true);
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            if line.is_empty() {
                if is_empty {
                    continue;
                }
                if event.name.is_empty() {
                    "message".clone_into(&mut event.name);
                }
                return Ok(Some(event));
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut event.name),
                "data" => {
                    if !is_empty {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                    is_empty = false;
                    if event.data.len() > EVENT_BYTES_MAX {
                        return Err(io::Error::other("an event is too large"));
                    }
                }
                // A comment, which keeps the connection alive, or something of later.
                _ => {}
            }
        }
    }

    /// The next line without its end; `None` at the end of the stream.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.pop_if(|byte| *byte == b'\n').is_none() {
            let why = if bytes.len() as u64 == LINE_BYTES_MAX { "a line is too long" } else { "the stream broke off" };
            return Err(io::Error::other(why));
        }
        bytes.pop_if(|byte| *byte == b'\r');
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl Iterator for ServerEvents {
    type Item = io::Result<ServerEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        self.event().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Vec<Result<ServerEvent, String>> {
        ServerEvents::new(text.as_bytes()).map(|event| event.map_err(|e| e.to_string())).collect()
    }

    fn event(name: &str, data: &str) -> Result<ServerEvent, String> {
        Ok(ServerEvent { name: name.to_owned(), data: data.to_owned() })
    }

    #[test]
    fn events_are_read_as_the_standard_writes_them() {
        for (text, expected) in [
            ("", vec![]),
            (": hello\n\n", vec![]),
            ("event: line\ndata: {}\n\n", vec![event("line", "{}")]),
            ("data:a\r\ndata: b\r\n\r\n", vec![event("message", "a\nb")]),
            (
                "id: 7\nevent: x\ndata\n\n: still here\n\nretry: 5\ndata: c\n\n",
                vec![event("x", ""), event("message", "c")],
            ),
            ("data: cut", vec![Err("the stream broke off".to_owned())]),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }
}
