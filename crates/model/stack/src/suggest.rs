//! "Did you mean": the known word closest to what was written.

/// Longer words are not compared: they are not typing mistakes, and comparing costs the product of the lengths.
const WORD_BYTES_MAX: usize = 64;

/// The closest of `known`, when it is close enough to be meant.
#[must_use]
pub fn closest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if written.len() > WORD_BYTES_MAX {
        return None;
    }
    let written = written.to_lowercase();
    known
        .into_iter()
        .filter(|word| word.len() <= WORD_BYTES_MAX)
        .map(|word| (strsim::osa_distance(&written, &word.to_lowercase()), word))
        .filter(|&(distance, word)| distance <= word.len() / 3)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_recognised_and_other_words_are_not() {
        let known = ["name", "route_to", "memory_limit"];
        for (written, meant) in [
            ("nmae", Some("name")),
            ("rout_to", Some("route_to")),
            ("route-to", Some("route_to")),
            ("memorylimit", Some("memory_limit")),
            ("Name", Some("name")),
            ("color", None),
            ("", None),
            (&"x".repeat(100_000), None),
        ] {
            assert_eq!(closest(written, known), meant, "{written:.40}");
        }
    }
}
