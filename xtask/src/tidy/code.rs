//! Rust text taken apart into code and comments, so that a rule about one is not fooled by the other.
//!
//! Not a parser: it knows comments, strings and characters, which is all that text rules need.

/// Two texts as long as the source, line for line: in each, everything of the other kind is blank. The content of
/// strings and characters is blank in both.
pub(super) struct Code {
    pub(super) code: String,
    pub(super) comments: String,
}

impl Code {
    pub(super) fn of(source: &str) -> Self {
        let chars: Vec<char> = source.chars().collect();
        let mut parts = Self { code: String::with_capacity(source.len()), comments: String::new() };
        let mut at = 0;
        while at < chars.len() {
            let (kind, end) = piece(&chars, at);
            for char in &chars[at..end] {
                let shown = if *char == '\n' { '\n' } else { ' ' };
                parts.code.push(if kind == Kind::Code { *char } else { shown });
                parts.comments.push(if kind == Kind::Comment { *char } else { shown });
            }
            at = end;
        }
        parts
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The kind of what starts at `at`, and where it ends; always at least one character further.
fn piece(chars: &[char], at: usize) -> (Kind, usize) {
    let next = |offset: usize| chars.get(at + offset).copied();
    match (chars[at], next(1)) {
        ('/', Some('/')) => (Kind::Comment, find(chars, at, |char| char == '\n')),
        ('/', Some('*')) => (Kind::Comment, block_comment_end(chars, at)),
        ('"', _) => (Kind::Literal, string_end(chars, at)),
        ('r', Some('"' | '#')) if !ends_a_word_char(chars, at) => match raw_string_end(chars, at) {
            Some(end) => (Kind::Literal, end),
            None => (Kind::Code, at + 1),
        },
        ('\'', Some('\\')) => (Kind::Literal, (find(chars, at + 3, |char| char == '\'') + 1).min(chars.len())),
        // `'a'` is a character, `'a` a lifetime.
        ('\'', Some(_)) if next(2) == Some('\'') => (Kind::Literal, at + 3),
        _ => (Kind::Code, at + 1),
    }
}

/// Whether the character before `at` belongs to a word, other than the `b` or `c` that may stand before a raw string.
fn ends_a_word_char(chars: &[char], at: usize) -> bool {
    let word = |offset: usize| at.checked_sub(offset).is_some_and(|at| chars[at].is_alphanumeric() || chars[at] == '_');
    let marker = at.checked_sub(1).is_some_and(|at| matches!(chars[at], 'b' | 'c'));
    if marker { word(2) } else { word(1) }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| wanted(chars[*at])).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `None` when it is a raw identifier (`r#type`).
fn raw_string_end(chars: &[char], start: usize) -> Option<usize> {
    let quote = find(chars, start + 1, |char| char != '#');
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let hashes = quote - start - 1;
    let closes = |at: usize| chars[at] == '"' && (1..=hashes).all(|offset| chars.get(at + offset) == Some(&'#'));
    Some((quote + 1..chars.len()).find(|at| closes(*at)).map_or(chars.len(), |at| at + 1 + hashes))
}

/// Where `word` stands alone in a line, not as a part of a longer name.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    line.match_indices(word).any(|(at, _)| {
        !part_of_name(line[..at].chars().next_back()) && !part_of_name(line[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_code_from_comments_and_literals() {
        for (source, code, comments) in [
            ("a // b", "a     ", "  // b"),
            ("a /* b /* c */ d */ e", "a                   e", "  /* b /* c */ d */  "),
            (r#"f("x // y") // z"#, "f(        )     ", "            // z"),
            (r#"f("a\"b") // c"#, "f(      )     ", "          // c"),
            (r##"r#"un"safe"# + r#type"##, "             + r#type", ""),
            (r##"br"x" r2"##, "b     r2", ""),
            ("'\"' + 'a' + '\\'' + &'a str", "    +     +      + &'a str", ""),
            ("a\n/*\n*/b", "a\n  \n  b", " \n/*\n*/ "),
        ] {
            let parts = Code::of(source);
            assert_eq!(parts.code, code, "{source}");
            if !comments.is_empty() {
                assert_eq!(parts.comments, comments, "{source}");
            }
        }
    }

    #[test]
    fn any_text_keeps_its_length() {
        for source in ["\"open", "'", "'\\", "/*", "r#\"", "r#", "\\", "'\\'", "\"\\", "é'é'\"é\""] {
            let parts = Code::of(source);
            assert_eq!(parts.code.chars().count(), source.chars().count(), "{source}");
            assert_eq!(parts.comments.chars().count(), source.chars().count(), "{source}");
        }
    }

    #[test]
    fn a_word_stands_alone() {
        for (line, there) in [("unsafe {", true), ("unsafe_code", false), ("(unsafe)", true), ("un safe", false)] {
            assert_eq!(has_word(line, "unsafe"), there, "{line}");
        }
    }
}
