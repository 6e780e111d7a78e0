//! Percent-encoding.

/// Writes each byte of `text` as `%XX`, apart from letters, digits and those that `keep` names.
pub(crate) fn encode(text: &str, keep: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// Reads each `%XX` as a byte and leaves the rest as it is; `None` if the bytes are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let digits = (first == b'%').then(|| after.first_chunk::<2>()).flatten();
        match digits.and_then(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?)) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => bytes.push(first),
        }
    }
    String::from_utf8(bytes).ok()
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded_and_read_back() {
        for (text, encoded) in
            [("", ""), ("plain-09", "plain-09"), ("a b&c=d", "a%20b%26c%3Dd"), ("100%", "100%25"), ("Zoë", "Zo%C3%AB")]
        {
            let mut out = String::new();
            encode(text, b"-", &mut out);
            assert_eq!(out, encoded);
            assert_eq!(decode(encoded).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_not_encoded_is_left_as_it_is() {
        for (text, decoded) in [("%", Some("%")), ("%4", Some("%4")), ("%zz%41", Some("%zzA")), ("%ff", None)] {
            assert_eq!(decode(text).as_deref(), decoded, "{text}");
        }
    }
}
