//! Every question there is, each with its answer on a line.

use crate::wire::{Bytes, receive, send};

/// Asks every question once or more, of a table `table`, a box `box` and an address where nobody is; tells the codes
/// of question and answer, and what the answer holds.
pub(crate) fn run() -> String {
    let question = |code: u16| Bytes::of_code(code);
    let table = |code: u16| question(code).text("table");
    let object = |code: u16| question(code).text("box");
    let questions = [
        // put a=1, b=2; get a; get a key that is not there
        table(1001).text("a").text("1").byte(0),
        table(1001).text("b").text("2").byte(1),
        table(1002).text("a"),
        table(1002).text("missing"),
        // delete b
        table(1003).text("b").byte(0),
        // batch put a=1, ab=2, b=3
        question(1008)
            .count(3)
            .text("table")
            .text("a")
            .text("1")
            .text("table")
            .text("ab")
            .text("2")
            .text("table")
            .text("b")
            .text("3")
            .byte(1),
        // scan a..., at most 10; its keys; tables
        table(1005).text("a").count(10),
        table(1006).text("a").count(1),
        question(1007).text("tab"),
        // batch get, scan, scan keys
        question(1009).count(2).text("table").text("b").text("table").text("missing"),
        question(1011).count(1).text("table").text("a").count(10),
        question(1012).count(1).text("table").text("").count(2),
        // swap b: 3 for 4, then expecting none
        table(1013).text("b").text("4").byte(1).text("3"),
        table(1013).text("b").text("5").byte(0),
        // batch delete b; delete a...
        question(1010).count(1).text("table").text("b"),
        table(1004).text("a"),
        table(1006).text("").count(10),
        // a table that is not declared
        question(1002).text("undeclared").text("a"),
        // put, get, list, delete, get
        object(2001).text("dir/key").text("data"),
        object(2002).text("dir/key"),
        object(2004).text("dir/"),
        object(2003).text("dir/key"),
        object(2002).text("dir/key"),
        // GET of a URL that is none, HTTP/1.1
        question(3001).byte(0).text("not a url").count(0).text("").byte(2),
    ];
    let mut lines = String::new();
    for question in questions {
        let code = u16::from_le_bytes([question.0[0], question.0[1]]);
        send(&question);
        let (answer_code, content) = receive();
        lines.push_str(&format!("{code} -> {answer_code} {content}\n"));
    }
    lines
}
