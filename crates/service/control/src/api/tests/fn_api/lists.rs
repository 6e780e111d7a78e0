//! Lists are paged by name.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::super::world::World;
use super::{app, ask, deploy, done, made_fn, trigger};

/// The values of a field of all items, page by page.
async fn pages(world: &World, path: &str, field: &str) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = done(world, &format!("GET {path}&cursor={cursor}"), Value::Null).await;
        let items = page["items"].as_array().unwrap().iter();
        pages.push(items.map(|item| item[field].as_str().unwrap().to_owned()).collect());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return pages,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_by_name() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await.to_string();
    for name in ["b", "a", "c"] {
        app(&world, name).await;
    }
    assert_eq!(pages(&world, "/v2/apps?per_page=3", "name").await, [&["a", "b", "c"][..], &["shop"]]);
    let (x, a) = (made_fn(&world, &shop, "x").await, made_fn(&world, &shop, "a").await);
    let fns = format!("/v2/fns?app_id={shop}");
    assert_eq!(
        pages(&world, &format!("{fns}&per_page=2"), "name").await,
        [&["a", "cart"][..], &["lone", "misc"], &["x"]]
    );
    assert_eq!(pages(&world, &format!("{fns}&name=cart"), "name").await, [["cart"]]);
    assert_eq!(pages(&world, &format!("{fns}&name=nothing"), "name").await, [[""; 0]]);
    let first = done(&world, &format!("GET {fns}&per_page=1"), Value::Null).await;
    assert_eq!(first["next_cursor"], URL_SAFE_NO_PAD.encode("a"), "the cursor is Fn's");

    trigger(&world, &shop, &x, "t", "/1").await;
    trigger(&world, &shop, &a, "t", "/2").await;
    trigger(&world, &shop, &a, "s", "/3").await;
    let triggers = format!("/v2/triggers?app_id={shop}");
    assert_eq!(pages(&world, &format!("{triggers}&per_page=2"), "source").await, [&["/3", "/1"][..], &["/2"]]);
    assert_eq!(pages(&world, &format!("{triggers}&name=t&per_page=1"), "source").await, [["/1"], ["/2"]]);
    assert_eq!(pages(&world, &format!("{triggers}&fn_id={a}"), "name").await, [["s", "t"]]);
    assert_eq!(pages(&world, &format!("{triggers}&fn_id=nothing"), "name").await, [[""; 0]]);
    assert_eq!(ask(&world, "GET /v2/apps?cursor=!", &Value::Null).await.0, 400);
}
