//! A signature holds for one request, at one time, at one place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Uri};
use mu_env::Env;
use proptest::prelude::*;

use super::super::{RequestHead, SecretKey};
use super::*;

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const BODY: &[u8] = b"{\"weights\":{\"3\":90,\"4\":10}}";

fn env_at(secs: u64) -> Env {
    Env::simulated(11, Timestamp::from_micros(secs * 1_000_000))
}

fn signer() -> Signer {
    Signer::new(SecretKey::from_seed(&[9; 32]), Env::simulated(11, START))
}

fn request(method: &str, uri: &str) -> Parts {
    Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
}

fn signed(method: &str, uri: &str, body: &[u8]) -> Parts {
    let mut parts = request(method, uri);
    signer().sign(&mut parts, SignedBody::Bytes(body)).unwrap();
    parts
}

fn verify_at(env: Env, parts: &Parts) -> Result<VerifiedSignature, SignatureError> {
    Verifier::new(env, Authorities::any()).verify(&RequestHead::from(parts))
}

fn verify(parts: &Parts) -> Result<VerifiedSignature, SignatureError> {
    verify_at(Env::simulated(1, START), parts)
}

/// RFC 9421, appendices B.1.4 and B.2.6.
#[tokio::test(start_paused = true)]
async fn the_base_and_the_algorithm_are_those_of_the_standard() {
    let der = STANDARD.decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF").unwrap();
    let key = SecretKey::from_seed(der.last_chunk().unwrap());
    let public = STANDARD.decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=").unwrap();
    assert_eq!(Some(key.client().as_bytes()), public.last_chunk());

    let components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ];
    let input = r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#;
    let base = base::of(&components, input);
    insta::assert_snapshot!(base);
    let expected = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    assert_eq!(STANDARD.encode(key.sign(base.as_bytes())), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_signed() {
    let parts = signed("POST", "https://Mu.Example:443/v1/stacks/a%20b?x=1&y", BODY);
    let head = RequestHead::from(&parts);
    let input = parts.headers[SIGNATURE_INPUT].to_str().unwrap();
    let digest = parts.headers[CONTENT_DIGEST].to_str().unwrap();
    insta::assert_snapshot!(base::of_request(&head, head.authority().unwrap(), Some(digest), &input[3..]));
}

/// The example that clients in other languages follow.
#[tokio::test(start_paused = true)]
async fn the_guide_shows_what_is_sent() {
    let guide = include_str!("../../../../../../docs/guide/access.md");
    let parts = signed("POST", "https://mu.example.com/v1/stacks?x=1", br#"{"name":"shop"}"#);
    for (name, value) in &parts.headers {
        let line = format!("{name}: {}\n", value.to_str().unwrap());
        assert!(guide.contains(&line), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_request_says_who_and_which_body() {
    let parts = signed("POST", "http://127.0.0.1:12000/v1/stacks?x=1", BODY);
    let verified = verify(&parts).unwrap();
    assert_eq!((verified.client, verified.created_secs), (signer().client(), 1_700_000_000));
    assert_eq!(verified.nonce.len(), 22);
    assert_eq!(verified.body, ExpectedBody::Digest(ContentDigest::of(BODY)));

    let without_body = verify(&signed("GET", "http://127.0.0.1:12000", b"")).unwrap();
    assert_eq!(without_body.body, ExpectedBody::Empty);
}

/// A server sees the target of HTTP/1.1 without the authority, which is in `host`.
#[tokio::test(start_paused = true)]
async fn a_server_sees_the_same_request() {
    let mut parts = signed("GET", "https://mu.example/v1?x", b"");
    parts.uri = Uri::from_static("/v1?x");
    parts.headers.insert("host", HeaderValue::from_static("MU.example"));
    assert!(verify(&parts).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_host_is_not_signed() {
    let mut parts = request("GET", "/v1");
    assert_eq!(signer().sign(&mut parts, SignedBody::None), Err(NoAuthority));
}

#[tokio::test(start_paused = true)]
async fn signing_again_replaces_the_signature() {
    let mut parts = signed("POST", "http://a.example/", BODY);
    let first = parts.headers[SIGNATURE].clone();
    let signer = signer();
    signer.sign(&mut parts, SignedBody::None).unwrap();
    signer.sign(&mut parts, SignedBody::None).unwrap();
    assert_ne!(parts.headers[SIGNATURE], first);
    assert_eq!(verify(&parts).unwrap().body, ExpectedBody::Empty);
}

#[tokio::test(start_paused = true)]
async fn a_signature_holds_for_five_minutes_on_both_sides() {
    let parts = signed("GET", "http://a.example/", b"");
    let created_secs = START.as_millis() / 1_000;
    for (now_secs, expected) in [
        (created_secs - 301, Some("InFuture")),
        (created_secs - 300, None),
        (created_secs + 300, None),
        (created_secs + 301, Some("TooOld")),
    ] {
        let error = verify_at(env_at(now_secs), &parts).err().map(|error| format!("{error:?}"));
        let kind = error.as_deref().and_then(|error| error.split(' ').next());
        assert_eq!(kind, expected, "{now_secs}");
    }
    let late = verify_at(env_at(created_secs + 7_200), &parts).unwrap_err();
    insta::assert_snapshot!(
        late,
        @"the signature was made at 2023-11-14T22:13:20.000Z, and it is 2023-11-15T00:13:20.000Z here: set the clock, and sign every request anew"
    );
}

#[tokio::test(start_paused = true)]
async fn a_signature_for_another_node_is_refused() {
    let verifier = Verifier::new(Env::simulated(1, START), Authorities::only(["mu.example:443"]));
    assert!(verifier.verify(&RequestHead::from(&signed("GET", "https://mu.example/", b""))).is_ok());
    let error = verifier.verify(&RequestHead::from(&signed("GET", "https://evil.example/", b"")));
    assert_eq!(error, Err(SignatureError::Authority { authority: "evil.example".into() }));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_signature() {
    let good = signed("POST", "http://a.example/v1", BODY);
    let headers = ["signature", "signature-input", "content-digest"];
    let with = |header: &'static str, value: &str| {
        let mut parts = good.clone();
        parts.headers.insert(header, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        parts
    };
    let mut told = String::new();
    let mut refuse = |what: &str, parts: &Parts| {
        let error = verify(parts).expect_err(what);
        told.push_str(&format!("{what}: {error}\n"));
    };
    for header in headers {
        let mut parts = good.clone();
        parts.headers.remove(header);
        refuse(&format!("no {header}"), &parts);

        let mut parts = good.clone();
        parts.headers.append(header, parts.headers[header].clone());
        refuse(&format!("two {header}"), &parts);

        refuse(&format!("{header} in another tongue"), &with(header, "\u{e4}"));
        refuse(&format!("empty {header}"), &with(header, ""));
    }
    let mut uncovered = signed("GET", "http://a.example/v1", b"");
    uncovered.headers.insert("content-digest", good.headers["content-digest"].clone());
    refuse("a digest nobody signed", &uncovered);

    let mut two_hosts = good.clone();
    two_hosts.headers.insert("host", HeaderValue::from_static("b.example"));
    refuse("another host", &two_hosts);

    let long = signed("GET", &format!("http://a.example/{}", "a".repeat(20_000)), b"");
    refuse("a long path", &long);

    let other_label = good.headers["signature"].to_str().unwrap().replacen("mu", "sig1", 1);
    refuse("another label", &with("signature", &other_label));

    // The zero point: whoever asks can make "signatures" by it.
    let weak = with(
        "signature-input",
        &good.headers["signature-input"].to_str().unwrap().replacen(
            &signer().client().to_string(),
            &super::super::ClientKey::new([0; 32]).to_string(),
            1,
        ),
    );
    refuse("a weak key", &weak);
    insta::assert_snapshot!(told);
}

#[tokio::test(start_paused = true)]
async fn truncated_signatures_are_refused() {
    let good = signed("POST", "http://a.example/v1", BODY);
    for header in ["signature", "signature-input", "content-digest"] {
        let value = good.headers[header].as_bytes().to_vec();
        for end in 0..value.len() {
            let mut parts = good.clone();
            parts.headers.insert(header, HeaderValue::from_bytes(&value[..end]).unwrap());
            assert!(verify(&parts).is_err(), "{header} cut at {end}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_changed_bit_of_a_header_is_noticed() {
    let good = signed("POST", "http://a.example/v1", BODY);
    for header in ["signature", "signature-input", "content-digest"] {
        let value = good.headers[header].as_bytes().to_vec();
        for (at, bit) in (0..value.len()).flat_map(|at| (0..7).map(move |bit| (at, bit))) {
            let mut changed = value.clone();
            changed[at] ^= 1 << bit;
            let Ok(changed) = HeaderValue::from_bytes(&changed) else { continue };
            let mut parts = good.clone();
            parts.headers.insert(header, changed);
            assert!(verify(&parts).is_err(), "{header} at {at} bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn requests_are_signed_and_verified(
        method in "[A-Z]{1,8}",
        path in "(/[a-zA-Z0-9%._~-]{0,8}){0,4}",
        query in proptest::option::of("[a-z0-9=&%]{0,20}"),
        host in "[a-zA-Z][a-zA-Z0-9.-]{0,12}",
        body in any::<Vec<u8>>(),
    ) {
        tokio_test(async {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            let parts = signed(&method, &format!("http://{host}{path}{query}"), &body);
            let verified = verify(&parts).unwrap();
            let mut check = verified.body.check();
            check.feed(&body).unwrap();
            check.finish().unwrap();
        });
    }

    #[test]
    fn a_changed_request_is_refused(
        path in "/[a-z0-9/]{1,12}",
        query in "[a-z0-9=&]{1,12}",
        body in proptest::collection::vec(any::<u8>(), 1..20),
        at in any::<proptest::sample::Index>(),
        to in "[a-z0-9]",
        what in 0..5,
    ) {
        tokio_test(async {
            let original = signed("POST", &format!("http://a.example{path}?{query}"), &body);
            let mut parts = original.clone();
            let replaced = |text: &str| {
                let at = at.index(text.len());
                format!("{}{to}{}", &text[..at], &text[at + 1..])
            };
            match what {
                0 => parts.method = Method::from_bytes(replaced("POST").as_bytes()).unwrap(),
                1 => parts.uri = format!("http://a.example/{}?{query}", replaced(&path[1..])).parse().unwrap(),
                2 => parts.uri = format!("http://a.example{path}?{}", replaced(&query)).parse().unwrap(),
                3 => {
                    let mut other = body.clone();
                    other[at.index(body.len())] ^= 1;
                    let digest = ContentDigest::of(&other).header_text();
                    parts.headers.insert(CONTENT_DIGEST, digest.parse().unwrap());
                }
                _ => {
                    let input = parts.headers[SIGNATURE_INPUT].to_str().unwrap().to_owned();
                    let (start, end) = input.split_once("nonce=\"").unwrap();
                    let (nonce, rest) = end.split_once('"').unwrap();
                    let changed = format!("{start}nonce=\"{}\"{rest}", replaced(nonce));
                    parts.headers.insert(SIGNATURE_INPUT, changed.parse().unwrap());
                }
            }
            let same = parts.method == original.method && parts.uri == original.uri && parts.headers == original.headers;
            let outcome = verify(&parts).map(|verified| verified.client);
            let expected = if same { Ok(signer().client()) } else { Err(SignatureError::Wrong) };
            assert_eq!(outcome, expected);
        });
    }
}

/// The simulated clock wants a runtime around it.
fn tokio_test(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test);
}
