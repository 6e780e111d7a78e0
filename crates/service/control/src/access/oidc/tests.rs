//! Tokens of issuers are checked to the last claim, and keys are fetched no more often than needed.
//!
//! Tokens with RSA and P-256 were made once, with keys that were thrown away; those with Ed25519 are made here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mu_env::Timestamp;
use serde_json::json;

use super::super::SecretKey;
use super::*;

const URL: &str = "https://id.example";
const JWKS_URL: &str = "https://id.example/keys";
const START_SECS: u64 = 1_700_000_000;

const RSA_KEY: &str = r#"{"kty":"RSA","kid":"r1","use":"sig","alg":"RS256","n":"uXo9s4htzu4b9iHOb2vkzi6KCI7Qy7NkdU73AzRkuiSGCfhf-G_a37q71_71pCO1tqerD55zvuzc2fKfM0pUlUz4yWJZ6yaDGHZPipqiyugIvzzQR7MGhI2BZloqY0LeqddDCusK1HCfwXiMdgYTVOhI1HrYBTbnTn8658oynyPOIZHSsU2XBXEbu2IZmeZ7WoKd3SSRA9yHQCJyVlwuzGBrZ-oGa7B0zpxnJF2ziiMh9whLtFbIZ7ujjKX6tQkp6gpbRgNnocnI06bnLuUBhIoem_Cnm4WzQ1k_wzUiRhXVOGOonBQ5D-2T3_WHvhAxLHRtqeD0DKHcy2ZE6bzWww","e":"AQAB"}"#;
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJtdSIsInN1YiI6InVzZXItMSIsImV4cCI6MTcwMDAwMzYwMH0.giKKzBgkWAHjfvbiuCAaOyo2TbTbgPmv2jENpDN0p5yeQzyAx7m2ZjtEn3UZoouhCJ3VDO5fMPTsCv0hi0yB6U3Y_UMETMyQPeZlyr_LdwORNBrhgxaXbrw48jDYJKceGHa_4sJzse_VDkmg5aTjLX3OTkTFRix33VJeOMLWOKApSmWgp2hdUOzPdcng761Ee08PBNg0Ql41acIAuOFwjbgHXz04de7kK0n0zdZESEZQXtAmY86_iScNWcrdiobly2LGoE-SG8y2jSBaMWj7CUdv-RzsVJkBiin4wyv8k5DYeL3dN39EQBKcOn6-rL6jPunJtMjpviWlnpg_o3ApXA";
const P256_KEY: &str = r#"{"kty":"EC","kid":"e1","crv":"P-256","x":"Rsr5RoItlTznC1vNI23GYYSp5hX3cvqmjTSN56GWVqM","y":"PLbv3TBhDuu4_D09WvEx0234u3MxT6MAqYJKBqdZwDw"}"#;
const P256_TOKEN: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJtdSIsInN1YiI6InVzZXItMSIsImV4cCI6MTcwMDAwMzYwMH0.N74B_4HvCG5wGPalF-8yNEO7AoyPZ_lBNp3-IDbpfhZaWQNKNYOEx07Kvq99uQP7dxO6B8yTwMxrXsKmKUWtpA";

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn ed25519_key(id: &str, seed: u8) -> String {
    let x = URL_SAFE_NO_PAD.encode(secret(seed).client().as_bytes());
    json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x}).to_string()
}

fn key_set(keys: &[&str]) -> String {
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

fn signed(header: &Value, claims: &Value, seed: u8) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(secret(seed).sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn header() -> Value {
    json!({"alg": "EdDSA", "kid": "d1"})
}

fn claims() -> Value {
    json!({"iss": URL, "aud": "mu", "sub": "user-1", "exp": START_SECS + 3_600})
}

fn issuer(algorithms: &[SigningAlgorithm]) -> Issuer {
    Issuer {
        name: "example".parse().unwrap(),
        url: URL.into(),
        audience: "mu".into(),
        algorithms: algorithms.to_vec(),
        jwks_url: Some(JWKS_URL.into()),
    }
}

struct Fixture {
    source: Arc<MemJwksSource>,
    oidc: Oidc,
}

fn fixture_with(issuer: Issuer) -> Fixture {
    let source = Arc::new(MemJwksSource::default());
    source.publish(JWKS_URL, key_set(&[RSA_KEY, P256_KEY, &ed25519_key("d1", 1)]));
    let env = Env::simulated(1, Timestamp::from_micros(START_SECS * 1_000_000));
    Fixture { oidc: Oidc::new(vec![issuer], Arc::<MemJwksSource>::clone(&source), env), source }
}

fn fixture() -> Fixture {
    fixture_with(issuer(&[SigningAlgorithm::Rs256, SigningAlgorithm::Es256, SigningAlgorithm::EdDsa]))
}

async fn verify(fixture: &Fixture, header: Value, claims: Value) -> Result<String, OidcError> {
    let user = fixture.oidc.verify(&signed(&header, &claims, 1)).await?;
    Ok(user.principal().to_string())
}

#[tokio::test(start_paused = true)]
async fn every_algorithm_is_checked() {
    let fixture = fixture();
    for token in [RSA_TOKEN, P256_TOKEN, &signed(&header(), &claims(), 1)] {
        let user = fixture.oidc.verify(token).await.unwrap();
        assert_eq!(user.principal().to_string(), "oidc:example:user-1");
        assert_eq!(user.claims["aud"], "mu");

        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD
            .encode(json!({"iss": URL, "aud": "mu", "sub": "root", "exp": 9_999_999_999_u64}).to_string());
        let wrong = OidcError::Signature { issuer: "example".parse().unwrap() };
        assert_eq!(fixture.oidc.verify(&format!("{header}.{other}.{signature}")).await, Err(wrong.clone()));
        for cut in 0..signature.len() {
            assert!(fixture.oidc.verify(&format!("{message}.{}", &signature[..cut])).await.is_err());
        }
        assert_eq!(fixture.oidc.verify(&format!("{message}.!")).await, Err(wrong));
    }
    assert_eq!(fixture.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn algorithms_are_pinned() {
    let only_rsa = fixture_with(issuer(&[SigningAlgorithm::Rs256]));
    assert!(only_rsa.oidc.verify(RSA_TOKEN).await.is_ok());
    for algorithm in ["ES256", "EdDSA", "HS256", "none", "rs256", "RS512", ""] {
        let refused = verify(&only_rsa, json!({"alg": algorithm, "kid": "r1"}), claims()).await;
        let expected = OidcError::Algorithm { issuer: "example".parse().unwrap(), algorithm: algorithm.into() };
        assert_eq!(refused, Err(expected));
    }
    // A key is good for its own algorithm, whatever a token says.
    let unknown = OidcError::UnknownKey { issuer: "example".parse().unwrap() };
    assert_eq!(verify(&fixture(), json!({"alg": "RS256", "kid": "d1"}), claims()).await, Err(unknown));
}

#[tokio::test(start_paused = true)]
async fn claims_are_checked() {
    let fixture = fixture();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    let mut told = String::new();
    for (what, claims) in [
        ("as it should be", claims()),
        ("one audience of several", with("aud", json!(["other", "mu"]))),
        ("just expired", with("exp", json!(START_SECS - 59))),
        ("a fraction", with("exp", json!(1_700_000_000.5))),
        ("soon valid", with("nbf", json!(START_SECS + 60))),
        ("expired", with("exp", json!(START_SECS - 60))),
        ("expired long ago", with("exp", json!(-5))),
        ("not yet valid", with("nbf", json!(START_SECS + 61))),
        ("another audience", with("aud", json!("mu2"))),
        ("other audiences", with("aud", json!(["mu2", 7]))),
        ("no audience", with("aud", Value::Null)),
        ("no issuer", with("iss", Value::Null)),
        ("another issuer", with("iss", json!("https://id.example/"))),
        ("several issuers", with("iss", json!([URL]))),
        ("no end", with("exp", Value::Null)),
        ("an end in words", with("exp", json!("tomorrow"))),
        ("a beginning in words", with("nbf", json!("tomorrow"))),
        ("no subject", with("sub", Value::Null)),
        ("an empty subject", with("sub", json!(""))),
        ("a long subject", with("sub", json!("s".repeat(256)))),
        ("a number for a subject", with("sub", json!(7))),
        ("many claims", with("more", json!("m".repeat(16_000)))),
        ("too many claims", with("more", json!("m".repeat(16_400)))),
    ] {
        let outcome = verify(&fixture, header(), claims).await.unwrap_or_else(|error| error.to_string());
        told.push_str(&format!("{what}: {outcome}\n"));
    }
    insta::assert_snapshot!(told);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token() {
    let fixture = fixture();
    let good = signed(&header(), &claims(), 1);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, body) = message.split_once('.').unwrap();
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let mut told = String::new();
    for (what, token) in [
        ("nothing", String::new()),
        ("one part", "opaque".into()),
        ("two parts", message.into()),
        ("four parts", format!("{good}.{signature}")),
        ("a header that is no base64", format!("!.{body}.{signature}")),
        ("a header that is no object", format!("{}.{body}.{signature}", encoded("7"))),
        ("a header without algorithm", format!("{}.{body}.{signature}", encoded("{}"))),
        ("a long header", format!("{}.{body}.{signature}", encoded(&" ".repeat(3_000)))),
        ("claims that are no object", format!("{head}.{}.{signature}", encoded("[]"))),
        ("claims that are no JSON", format!("{head}.{}.{signature}", encoded("{"))),
        ("extensions", signed(&json!({"alg": "EdDSA", "kid": "d1", "crit": ["b64"]}), &claims(), 1)),
        ("very long", "a".repeat(100_000)),
    ] {
        let error = fixture.oidc.verify(&token).await.expect_err(what);
        told.push_str(&format!("{what}: {error}\n"));
    }
    insta::assert_snapshot!(told);
    assert_eq!(fixture.source.fetches(), 0, "nobody is asked about tokens that cannot be good");
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_for_an_unknown_id_but_not_often() {
    let fixture = fixture();
    let by_second = || signed(&json!({"alg": "EdDSA", "kid": "d2"}), &claims(), 2);
    let unknown = Err(OidcError::UnknownKey { issuer: "example".parse().unwrap() });
    assert!(verify(&fixture, header(), claims()).await.is_ok());
    assert_eq!(fixture.source.fetches(), 1);

    fixture.source.publish(JWKS_URL, key_set(&[&ed25519_key("d2", 2)]));
    for _ in 0..5 {
        assert_eq!(fixture.oidc.verify(&by_second()).await, unknown);
    }
    assert_eq!(fixture.source.fetches(), 1);
    tokio::time::advance(REFRESH_PAUSE).await;
    assert!(fixture.oidc.verify(&by_second()).await.is_ok());
    assert_eq!(fixture.source.fetches(), 2);
    // The first key was withdrawn.
    assert_eq!(fixture.oidc.verify(&signed(&header(), &claims(), 1)).await, unknown);
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_together_fetch_once() {
    let fixture = fixture();
    let token = signed(&header(), &claims(), 1);
    let all = futures_util::future::join_all((0..16).map(|_| fixture.oidc.verify(&token))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(fixture.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn known_keys_outlive_an_issuer_that_is_away_for_a_day() {
    let fixture = fixture();
    let valid_for_days = || {
        let mut claims = claims();
        claims["exp"] = json!(START_SECS + 7 * 24 * 3_600);
        claims
    };
    assert!(verify(&fixture, header(), valid_for_days()).await.is_ok());
    fixture.source.withdraw(JWKS_URL);
    let hour = Duration::from_secs(3_600);
    tokio::time::advance(23 * hour).await;
    assert!(verify(&fixture, header(), valid_for_days()).await.is_ok());
    assert_eq!(fixture.source.fetches(), 2);
    tokio::time::advance(hour).await;
    let away = verify(&fixture, header(), valid_for_days()).await.unwrap_err();
    insta::assert_snapshot!(away, @"the keys of example can't be fetched: https://id.example/keys: there is nothing here; try again in half a minute");
    assert!(away.is_unavailable());
}

#[tokio::test(start_paused = true)]
async fn keys_of_no_use_are_left_out() {
    let with_use = |key: &str, name: &str, value: Value| {
        let mut key: Value = serde_json::from_str(key).unwrap();
        key[name] = value;
        key.to_string()
    };
    let key = ed25519_key("d1", 1);
    for (what, keys, works) in [
        ("the key", vec![key.clone()], true),
        (
            "among things that are none",
            vec!["7".into(), "{}".into(), r#"{"kty":"XYZ","crv":"Q"}"#.into(), key.clone()],
            true,
        ),
        ("for encryption", vec![with_use(&key, "use", json!("enc"))], false),
        ("for another algorithm", vec![with_use(&key, "alg", json!("ES256"))], false),
        ("too short", vec![with_use(&key, "x", json!("AAAA"))], false),
        ("without bytes", vec![with_use(&key, "x", Value::Null)], false),
        ("twice", vec![key.clone(), ed25519_key("d1", 2)], false),
        ("after a hundred others", [vec!["{}".into(); 100], vec![key.clone()]].concat(), false),
        ("none", vec![], false),
    ] {
        let fixture = fixture();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        fixture.source.publish(JWKS_URL, key_set(&keys));
        assert_eq!(verify(&fixture, header(), claims()).await.is_ok(), works, "{what}");
    }
    let weak_rsa = with_use(RSA_KEY, "n", json!(URL_SAFE_NO_PAD.encode([255; 128])));
    let short_point = with_use(P256_KEY, "x", json!("AAAA"));
    let fixture = fixture();
    fixture.source.publish(JWKS_URL, key_set(&[&weak_rsa, &short_point]));
    assert!(fixture.oidc.verify(RSA_TOKEN).await.is_err() && fixture.oidc.verify(P256_TOKEN).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_token_without_key_id_is_signed_by_the_only_key() {
    let one = fixture();
    assert!(verify(&one, json!({"alg": "EdDSA"}), claims()).await.is_ok());
    let two = fixture();
    two.source.publish(JWKS_URL, key_set(&[&ed25519_key("d1", 1), &ed25519_key("d2", 2)]));
    assert!(verify(&two, json!({"alg": "EdDSA"}), claims()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn keys_are_discovered() {
    const CONFIGURATION: &str = "https://id.example/.well-known/openid-configuration";
    let of = |issuer: &str, keys: &str| json!({"issuer": issuer, "jwks_uri": keys}).to_string();
    let mut told = String::new();
    for (what, document) in [
        ("as it should be", of(URL, JWKS_URL)),
        ("of another issuer", of("https://evil.example", JWKS_URL)),
        ("without TLS", of(URL, "http://id.example/keys")),
        ("nowhere", of(URL, "https://id.example/nothing")),
        ("not a configuration", "[]".to_owned()),
        ("too large", " ".repeat(DOCUMENT_BYTES_MAX + 1)),
    ] {
        let fixture = fixture_with(Issuer { jwks_url: None, ..issuer(&[SigningAlgorithm::EdDsa]) });
        fixture.source.publish(CONFIGURATION, document);
        let outcome = verify(&fixture, header(), claims()).await.unwrap_or_else(|error| error.to_string());
        told.push_str(&format!("{what}: {outcome}\n"));
    }
    insta::assert_snapshot!(told);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_does_not_answer_is_given_up() {
    #[derive(Debug)]
    struct Silent;
    #[async_trait::async_trait]
    impl JwksSource for Silent {
        async fn fetch(&self, _: &str) -> Result<bytes::Bytes, FetchError> {
            std::future::pending().await
        }
    }
    let env = Env::simulated(1, Timestamp::from_micros(START_SECS * 1_000_000));
    let oidc = Oidc::new(vec![issuer(&[SigningAlgorithm::EdDsa])], Arc::new(Silent), env);
    assert!(oidc.verify(&signed(&header(), &claims(), 1)).await.unwrap_err().is_unavailable());
}
