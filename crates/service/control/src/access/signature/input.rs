//! The header `signature-input`: what is covered, when, and by whom.

use super::super::ClientKey;
use super::base::{WITH_BODY, WITHOUT_BODY};
use super::{NONCE_CHARS_MAX, NONCE_CHARS_MIN, SignatureError};

/// Longest value that is looked at, in bytes: with the longest nonce and key it has 273.
const BYTES_MAX: usize = 512;
/// Structured fields have integers of 15 digits at most (RFC 9651, section 3.3.1).
const CREATED_DIGITS_MAX: usize = 15;

/// A signature's input, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input<'a> {
    /// What follows the label: components and parameters as they were sent, which is what is signed.
    pub(super) text: &'a str,
    pub(super) covers_body: CoversBody,
    pub(super) created_secs: u64,
    pub(super) nonce: &'a str,
    pub(super) client: ClientKey,
}

/// Whether a signature covers a body's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoversBody {
    Yes,
    No,
}

/// What follows the label in the input of a new signature.
pub(super) fn write(covers_body: CoversBody, created_secs: u64, nonce: &str, client: &ClientKey) -> String {
    let components = match covers_body {
        CoversBody::Yes => WITH_BODY,
        CoversBody::No => WITHOUT_BODY,
    };
    format!(r#"{components};created={created_secs};nonce="{nonce}";keyid="{client}";alg="ed25519""#)
}

/// Reads the header's value. Parameters may come in any order, each once, and none is unknown.
pub(super) fn read(value: &str) -> Result<Input<'_>, SignatureError> {
    if value.len() > BYTES_MAX {
        return Err(malformed("it is far longer than a signature of this kind needs"));
    }
    let text = value.strip_prefix("mu=").ok_or(malformed("the one signature of a request is labelled `mu`"))?;
    let (components, parameters) = match text.split_once(')') {
        Some((components, parameters)) if components.starts_with('(') => (&text[..=components.len()], parameters),
        _ => return Err(malformed("it has no list of components in parentheses")),
    };
    let covers_body = match components {
        WITH_BODY => CoversBody::Yes,
        WITHOUT_BODY => CoversBody::No,
        _ => return Err(SignatureError::Components),
    };
    let mut read = Parameters::default();
    for parameter in parameters.split(';').skip(1) {
        read.take(parameter)?;
    }
    if !parameters.starts_with(';') || read.algorithm.is_none() {
        return Err(malformed("it has no parameter `alg=\"ed25519\"`"));
    }
    Ok(Input {
        text,
        covers_body,
        created_secs: read.created_secs.ok_or(malformed("it has no parameter `created`"))?,
        nonce: read.nonce.ok_or(malformed("it has no parameter `nonce`"))?,
        client: read.client.ok_or(malformed("it has no parameter `keyid`"))?,
    })
}

#[derive(Default)]
struct Parameters<'a> {
    created_secs: Option<u64>,
    nonce: Option<&'a str>,
    client: Option<ClientKey>,
    algorithm: Option<()>,
}

impl<'a> Parameters<'a> {
    fn take(&mut self, parameter: &'a str) -> Result<(), SignatureError> {
        let (name, value) = parameter.split_once('=').ok_or(malformed("a parameter has no value"))?;
        match name {
            "created" => once(&mut self.created_secs, created(value)?),
            "nonce" => once(&mut self.nonce, nonce(value)?),
            "keyid" => once(&mut self.client, client(value)?),
            "alg" => once(&mut self.algorithm, algorithm(value)?),
            _ => Err(malformed("it has a parameter besides `created`, `nonce`, `keyid` and `alg`")),
        }
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), SignatureError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed("a parameter is there twice")),
    }
}

fn created(value: &str) -> Result<u64, SignatureError> {
    let canonical = value.len() <= CREATED_DIGITS_MAX
        && value.bytes().all(|byte| byte.is_ascii_digit())
        && (value == "0" || !value.starts_with('0'));
    let seconds = value.parse().ok().filter(|_| canonical);
    seconds.ok_or(malformed("`created` is the time in whole seconds since 1970"))
}

fn nonce(value: &str) -> Result<&str, SignatureError> {
    let nonce = quoted(value).filter(|nonce| {
        (NONCE_CHARS_MIN..=NONCE_CHARS_MAX).contains(&nonce.len())
            && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    });
    nonce.ok_or(malformed("`nonce` is a string of 16 to 64 characters of A-Z a-z 0-9 - _"))
}

fn client(value: &str) -> Result<ClientKey, SignatureError> {
    let client = quoted(value).and_then(|key| key.parse::<ClientKey>().ok());
    client.ok_or(malformed("`keyid` is the client's key: a string of `k_` and the base58 form of 32 bytes"))
}

fn algorithm(value: &str) -> Result<(), SignatureError> {
    match quoted(value) {
        Some("ed25519") => Ok(()),
        Some(_) => Err(SignatureError::Algorithm),
        None => Err(malformed("`alg` is a string")),
    }
}

fn quoted(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains(['"', '\\']))
}

fn malformed(problem: &'static str) -> SignatureError {
    SignatureError::Malformed { header: "signature-input", problem }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "k_11111111111111111111111111111111";

    #[test]
    fn what_is_written_is_read() {
        let client = ClientKey::new([0xff; 32]);
        for covers_body in [CoversBody::Yes, CoversBody::No] {
            let nonce = "n".repeat(NONCE_CHARS_MAX);
            let value = format!("mu={}", write(covers_body, 999_999_999_999_999, &nonce, &client));
            assert!(value.len() <= BYTES_MAX, "{}", value.len());
            let input = read(&value).unwrap();
            assert_eq!((input.covers_body, input.created_secs), (covers_body, 999_999_999_999_999));
            assert_eq!((input.nonce, input.client, input.text), (&nonce[..], client, &value[3..]));
        }
    }

    #[test]
    fn one_form_is_understood() {
        let good = format!(r#"mu={WITHOUT_BODY};created=5;nonce="0123456789abcdef";keyid="{KEY}";alg="ed25519""#);
        assert!(read(&good).is_ok());
        let reordered = format!(r#"mu={WITHOUT_BODY};alg="ed25519";keyid="{KEY}";nonce="0123456789abcdef";created=5"#);
        assert!(read(&reordered).is_ok());

        let problem = |error: SignatureError| match error {
            SignatureError::Malformed { problem, .. } => problem,
            SignatureError::Components => "components",
            SignatureError::Algorithm => "algorithm",
            other => panic!("{other}"),
        };
        let mut told = String::new();
        for (from, to) in [
            ("mu=", "sig1="),
            ("mu=", ""),
            (r#"("@method""#, "("),
            (r#" "@query""#, ""),
            (r#""@method" "@authority""#, r#""@authority" "@method""#),
            (r#""@method" "#, r#""@method"  "#),
            (r#""@query")"#, r#""@query" "date")"#),
            (r#""@query")"#, r#""@query";req)"#),
            ("(", ""),
            (")", ""),
            (";created=5", ""),
            ("created=5", "created=05"),
            ("created=5", "created=-5"),
            ("created=5", "created=5.0"),
            ("created=5", "created=\"5\""),
            ("created=5", "created=1000000000000000"),
            ("created=5", "created=5;created=5"),
            ("created=5", "created=5; expires=6"),
            ("created=5", "created=5;expires=6"),
            ("created=5", "created"),
            (r#"nonce="0123456789abcdef""#, r#"nonce="0123456789abcde""#),
            (r#"nonce="0123456789abcdef""#, r#"nonce="0123456789abcde:""#),
            (r#"nonce="0123456789abcdef""#, "nonce=0123456789abcdef"),
            (r#";nonce="0123456789abcdef""#, ""),
            ("keyid=\"k_1", "keyid=\"k_"),
            ("keyid=\"k_1", "keyid=\"s_1"),
            ("alg=\"ed25519\"", "alg=\"rsa-pss-sha512\""),
            ("alg=\"ed25519\"", "alg=ed25519"),
            (";alg=\"ed25519\"", ""),
            ("alg=\"ed25519\"", "alg=\"ed25519\", sig2=()"),
            ("alg=\"ed25519\"", "alg=\"ed25519\";"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            let problem = problem(read(&bad).expect_err(&bad));
            told.push_str(&format!("{from} -> {to}: {problem}\n"));
        }
        told.push_str(&format!("long: {}\n", problem(read(&" ".repeat(100_000)).expect_err("too long"))));
        insta::assert_snapshot!(told);
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "(mu=)?\\PC{0,80}", ascii in "mu=\\([\"@a-z ]{0,20}\\)(;[a-z]{0,7}=[\"a-z0-9]{0,9}){0,5}") {
            let _ = read(&value);
            let _ = read(&ascii);
        }
    }
}
