//! What is refused, in Fn's words.

use serde_json::{Value, json};

use super::super::world::World;
use super::{BOSS, app, ask, made_fn, trigger};

const KEY: &str = "Invalid annotation key, annotation keys must be non-empty ascii strings excluding whitespace";
const VALUE: &str =
    "Invalid annotation value, annotation values may only be non-empty strings, numbers, objects, or arrays";
const TIMEOUT: &str = "timeout value is out of range, must be between 0 and 300";
const IDLE_TIMEOUT: &str = "idle_timeout value is out of range, must be between 0 and 3600";
const MEMORY: &str = "memory value is out of range. It should be between 0 and 8192";
const SOURCE: &str = "Trigger with the same type and source exists on this app";
const FIXED: &str = "Fn names, shapes and IDs cannot be modified";

/// A world with the app `shop`, its fn `cart`, the fn's trigger `t` at `/t`, and the app `blog` with the fn `post`.
struct Made {
    world: World,
    app: String,
    of: String,
    trigger: String,
    foreign: String,
}

impl Made {
    async fn new() -> Self {
        let world = World::new().await;
        let shop = app(&world, "shop").await;
        let cart = made_fn(&world, &shop, "cart").await;
        let trigger = trigger(&world, &shop, &cart, "t", "/t").await;
        let blog = app(&world, "blog").await;
        let foreign = made_fn(&world, &blog, "post").await;
        Self { world, app: shop, of: cart, trigger, foreign }
    }

    /// Asks for the same with some fields changed; null takes one out.
    async fn refused(&self, request: &str, good: &Value, change: &Value, status: u16, message: &str) {
        let filled = |text: String| {
            let text = text.replace("{app}", &self.app).replace("{fn}", &self.of);
            text.replace("{trigger}", &self.trigger).replace("{foreign}", &self.foreign)
        };
        let mut body = good.clone();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
                value => body[name] = value.clone(),
            }
        }
        let body = serde_json::from_str(&filled(body.to_string())).unwrap();
        let answer = ask(&self.world, &filled(request.to_owned()), &body).await;
        assert_eq!(answer, (status, json!({ "message": message })), "{request} {change}");
    }
}

fn annotated(key: &str, value: impl Into<Value>) -> Value {
    json!({"annotations": {key: value.into()}})
}

fn long(chars: usize) -> String {
    "x".repeat(chars)
}

/// Mistakes that can be made with everything that has annotations.
fn annotations() -> Vec<(Value, u16, String)> {
    let many: serde_json::Map<_, _> = (0..101).map(|index| (format!("k{index}"), json!(1))).collect();
    let key_length = "Invalid annotation key length, annotation keys may not be larger than 128 bytes";
    let value_length =
        "Invalid annotation value length, annotation values may not be larger than 512 bytes when serialized as JSON";
    let count = "Invalid annotation change, new key(s) exceed maximum permitted number of annotations keys (100)";
    [
        (annotated("", 1), KEY),
        (annotated("a b", 1), KEY),
        (annotated("é", 1), KEY),
        (annotated(&long(129), 1), key_length),
        (annotated("k", long(511)), value_length),
        (json!({ "annotations": many }), count),
    ]
    .map(|(change, message)| (change, 400, message.to_owned()))
    .into()
}

#[tokio::test(start_paused = true)]
async fn apps() {
    let made = Made::new().await;
    let good = json!({"name": "new"});
    let syslog =
        |scheme: &str, why: &str| (json!({"syslog_url": format!("{scheme}://a")}), scheme.to_owned(), why.to_owned());
    let ours =
        "this node keeps the logs itself and sends them nowhere: leave syslog_url out, and read them with `mu logs`";
    let theirs = "invalid scheme, only [tcp, udp, unix, unixgram, tcp+tls] are supported";
    let unlike = "Fn takes letters of every script, but an app is a stack here, which has A-Z a-z 0-9 _ - in its name";
    let like_an_id = format!("s_{}", "1".repeat(32));
    let mut creations = annotations();
    creations
        .extend([(annotated("k", ""), 400, VALUE.to_owned()), (annotated("k", Value::Null), 400, VALUE.to_owned())]);
    for (change, status, message) in [
        (json!({"id": "x"}), 400, "App ID cannot be supplied on create".to_owned()),
        (json!({"name": null}), 400, "Missing Name".into()),
        (json!({"name": ""}), 400, "Missing Name".into()),
        (json!({"name": "a b"}), 400, "Invalid app name".into()),
        (json!({"name": "a/b"}), 400, "Invalid app name".into()),
        (json!({"name": long(256)}), 400, "App name must be 255 characters or less".into()),
        (json!({"name": "größe"}), 400, format!("Invalid app name: {unlike}")),
        (
            json!({"name": like_an_id}),
            400,
            format!("the name `{like_an_id}` has the form of a stack's id: choose another one"),
        ),
        (json!({"name": "shop"}), 409, "App already exists".into()),
        (json!({"shape": "ROUND"}), 400, "Invalid app shape".into()),
    ]
    .into_iter()
    .chain(creations)
    {
        made.refused("POST /v2/apps", &good, &change, status, &message).await;
    }
    for (change, scheme, why) in [syslog("http", theirs), syslog("tcp", ours)] {
        let message = format!("invalid syslog url: \"{scheme}://a\" {why}");
        made.refused("POST /v2/apps", &good, &change, 400, &message).await;
        made.refused("PUT /v2/apps/{app}", &json!({}), &change, 400, &message).await;
    }
    for (change, status, message) in [
        (json!({"id": "x"}), 400, "App ID in path does not match ID in body".to_owned()),
        (json!({"name": "x"}), 409, "Could not update - name is immutable".into()),
        (json!({"shape": "ROUND"}), 400, "Invalid app shape".into()),
    ]
    .into_iter()
    .chain(annotations())
    {
        made.refused("PUT /v2/apps/{app}", &json!({}), &change, status, &message).await;
    }
    let none = json!({});
    for id in ["x", "shop", "s_11111111111111111111111111111111"] {
        for method in ["GET", "PUT", "DELETE"] {
            made.refused(&format!("{method} /v2/apps/{id}"), &none, &none, 404, "App not found").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fns() {
    let made = Made::new().await;
    let good = json!({"name": "new", "app_id": "{app}", "image": "me/x:1"});
    let mut creations = annotations();
    creations.push((annotated("k", ""), 400, VALUE.to_owned()));
    for (change, status, message) in [
        (json!({"id": "x"}), 400, "ID cannot be provided for Fn creation"),
        (json!({"app_id": null}), 400, "Missing AppID on Fn"),
        (json!({"app_id": "x"}), 404, "App not found"),
        (json!({"name": null}), 400, "Missing Fn name"),
        (json!({"name": long(256)}), 400, "Fn name must be 255 characters or less"),
        (json!({"name": "a b"}), 400, "name must be a valid string"),
        (json!({"name": "größe"}), 400, "name must be a valid string"),
        (json!({"name": "cart"}), 409, "Fn with specified name already exists"),
        (json!({"image": null}), 400, "Missing image on Fn"),
        (json!({"image": "a b"}), 400, "Invalid Fn image"),
        (json!({"timeout": -1}), 400, TIMEOUT),
        (json!({"timeout": 301}), 400, TIMEOUT),
        (json!({"idle_timeout": -1}), 400, IDLE_TIMEOUT),
        (json!({"idle_timeout": 3601}), 400, IDLE_TIMEOUT),
        (json!({"memory": 8193}), 400, MEMORY),
        (json!({"memory": -1}), 400, "Invalid JSON"),
        (json!({"shape": "ROUND"}), 400, "Invalid Fn shape"),
    ]
    .into_iter()
    .map(|(change, status, message)| (change, status, message.to_owned()))
    .chain(creations)
    {
        made.refused("POST /v2/fns", &good, &change, status, &message).await;
    }
    for (change, status, message) in [
        (json!({"id": "x"}), 400, "Fn ID in path does not match that in body"),
        (json!({"name": "x"}), 400, FIXED),
        (json!({"app_id": "x"}), 400, FIXED),
        (json!({"shape": "GENERIC_ARM"}), 400, FIXED),
        (json!({"image": "A"}), 400, "Invalid Fn image"),
        (json!({"timeout": 301}), 400, TIMEOUT),
        (json!({"idle_timeout": 3601}), 400, IDLE_TIMEOUT),
        (json!({"memory": 8193}), 400, MEMORY),
    ]
    .into_iter()
    .map(|(change, status, message)| (change, status, message.to_owned()))
    .chain(annotations())
    {
        made.refused("PUT /v2/fns/{fn}", &json!({}), &change, status, &message).await;
    }
    made.refused("GET /v2/fns", &json!({}), &json!({}), 400, "Missing AppID on Fn").await;
    for method in ["GET", "PUT", "DELETE"] {
        made.refused(&format!("{method} /v2/fns/x"), &json!({}), &json!({}), 404, "Fn not found").await;
    }
}

#[tokio::test(start_paused = true)]
async fn triggers() {
    let made = Made::new().await;
    let good = json!({"name": "new", "app_id": "{app}", "fn_id": "{fn}", "type": "http", "source": "/new"});
    let mut creations = annotations();
    creations.push((annotated("k", ""), 400, VALUE.to_owned()));
    let now = "2023-11-14T22:13:20.000Z";
    for (change, status, message) in [
        (json!({"id": "x"}), 400, "ID cannot be provided for Trigger creation"),
        (json!({"created_at": now}), 400, "Trigger Created At Provided for Create"),
        (json!({"updated_at": now}), 400, "Trigger Updated At Provided for Create"),
        (json!({"app_id": null}), 400, "Missing App ID on Trigger"),
        (json!({"app_id": "x"}), 404, "App not found"),
        (json!({"name": null}), 400, "Missing name on Trigger"),
        (json!({"name": long(256)}), 400, "Trigger name must be 255 characters or less"),
        (json!({"name": "a b"}), 400, "Invalid name for Trigger"),
        (json!({"name": "t"}), 409, "Trigger already exists"),
        (json!({"fn_id": null}), 400, "Missing Fn ID on Trigger"),
        (json!({"fn_id": "x"}), 404, "Fn not found"),
        (json!({"fn_id": "{foreign}"}), 400, "Invalid Fn ID - not owned by specified app"),
        (json!({"type": null}), 400, "Trigger Type Not Supported"),
        (json!({"type": "scheduled"}), 400, "Trigger Type Not Supported"),
        (json!({"source": null}), 400, "Missing Trigger Source"),
        (json!({"source": "new"}), 400, "Missing Trigger Source Prefix '/'"),
        (json!({"source": "/t"}), 409, SOURCE),
    ]
    .into_iter()
    .map(|(change, status, message)| (change, status, message.to_owned()))
    .chain(creations)
    {
        made.refused("POST /v2/triggers", &good, &change, status, &message).await;
    }
    trigger(&made.world, &made.app, &made.of, "other", "/other").await;
    for (change, status, message) in [
        (json!({"id": "x"}), 400, "ID in path does not match ID in body"),
        (json!({"app_id": "x"}), 400, "The app and the Fn of a Trigger cannot be modified"),
        (json!({"fn_id": "{foreign}"}), 400, "The app and the Fn of a Trigger cannot be modified"),
        (json!({"type": "event"}), 400, "Trigger Type Not Supported"),
        (json!({"name": "a b"}), 400, "Invalid name for Trigger"),
        (json!({"name": "other"}), 409, "Trigger already exists"),
        (json!({"source": "other"}), 400, "Missing Trigger Source Prefix '/'"),
        (json!({"source": "/other"}), 409, SOURCE),
    ]
    .into_iter()
    .map(|(change, status, message)| (change, status, message.to_owned()))
    .chain(annotations())
    {
        made.refused("PUT /v2/triggers/{trigger}", &json!({}), &change, status, &message).await;
    }
    made.refused("GET /v2/triggers", &json!({}), &json!({}), 400, "Missing App ID on Trigger").await;
    for method in ["GET", "PUT", "DELETE"] {
        made.refused(&format!("{method} /v2/triggers/x"), &json!({}), &json!({}), 404, "Trigger not found").await;
    }
}

#[tokio::test(start_paused = true)]
async fn bodies() {
    let world = World::new().await;
    for path in ["/v2/apps", "/v2/fns", "/v2/triggers"] {
        for body in ["", "x", "[]", "{\"name\": 1}"] {
            let answer = world.send(&BOSS, "POST", path, &[("content-type", "application/json")], body.into()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json()),
                (400, json!({"message": "Invalid JSON"})),
                "{path} {body}"
            );
        }
        let answer = world.send(&BOSS, "POST", path, &[("content-type", "text/plain")], "{}".into()).await;
        let expected = json!({"message": "Content Type not supported"});
        assert_eq!((answer.status.as_u16(), answer.json()), (415, expected), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn paths_and_queries() {
    let world = World::new().await;
    for path in ["/v2/apps/%ff", "/v2/fns/%ff", "/invoke/%ff", "/t/%ff", "/t/shop%ff/a", "/v2/apps?name=a&name=b"] {
        let method = if path.starts_with("/invoke") { "POST" } else { "GET" };
        let answer = world.send(&BOSS, method, path, &[], bytes::Bytes::new()).await;
        let error = answer.json();
        assert_eq!(answer.status, 400, "{path}: {error}");
        assert!(error["message"].is_string() && error.as_object().unwrap().len() == 1, "{path}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_annotations_remove_and_those_that_are_ours_are_passed_over() {
    let made = Made::new().await;
    let put = format!("PUT /v2/fns/{}", made.of);
    let (_, with) = ask(&made.world, &put, &json!({"annotations": {"a": 1, "b": {"c": []}, "mu/version": 7}})).await;
    assert_eq!((&with["annotations"]["a"], &with["annotations"]["mu/version"]), (&json!(1), &Value::Null));
    let (_, without) = ask(&made.world, &put, &json!({"annotations": {"a": "", "b": null}})).await;
    let keys: Vec<&String> = without["annotations"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["fnproject.io/fn/invokeEndpoint"]);
}
