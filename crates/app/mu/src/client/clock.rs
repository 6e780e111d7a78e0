//! Whether a node's clock and this machine's agree enough for signatures.

use mu_control::access::signature::SKEW;
use mu_env::Timestamp;

/// What to say when the node's time, which is RFC 3339 in UTC, is too far from `here`; `None` when it is not.
pub(super) fn difference(node: &str, here: Timestamp) -> Option<String> {
    let node_secs = seconds(node)?;
    let here_secs = here.as_millis() / 1_000;
    (node_secs.abs_diff(here_secs) > SKEW.as_secs())
        .then(|| format!("it is {here} by this machine's clock, and {node} by the node's: set the one that is wrong"))
}

/// The seconds since 1970 of a time like `2026-11-21T17:35:38.123Z`.
fn seconds(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<u64>().ok();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let is_formed = separators.iter().all(|&(at, byte)| time.as_bytes().get(at) == Some(&byte)) && time.ends_with('Z');
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !is_formed || year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days of years that begin on 1 March, so that the leap day is the last of its year.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for millis in [0, 951_782_400_000, 1_709_210_096_789, 1_795_283_738_123, 4_107_542_399_999] {
            assert_eq!(seconds(&Timestamp::from_micros(millis * 1_000).to_string()), Some(millis / 1_000));
        }
        for wrong in
            ["", "2026-11-21", "2026-13-21T17:35:38Z", "1969-12-31T23:59:59Z", "2026-11-21 17:35:38Z", "\u{e4}"]
        {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn both_times_are_told_when_they_differ() {
        let here = Timestamp::from_micros(1_795_283_738_000_000);
        assert_eq!(difference("2026-11-21T17:57:38.000Z", here), None);
        let told = difference("2026-11-21T18:57:38.000Z", here).unwrap();
        assert!(told.contains("2026-11-21T17:55:38.000Z") && told.contains("2026-11-21T18:57:38.000Z"), "{told}");
    }
}
