//! Images that cannot be run, and those that were made to do harm: they are refused with their reason, and what is outside of
//! the store stays as it is.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::images;
use crate::support::images::{Entry, Image, Layer};
use crate::support::node::{Node, said};
use crate::support::{Project, Running, files_below, output};

/// A project of a function whose image is this archive.
fn project(archive: &[u8]) -> Project {
    let place = Project::empty();
    place.write("f.tar", archive);
    Project::of_containers(&[("f", &place.path().join("f.tar"), super::SMALL)])
}

/// Says why an image was refused, whenever that came to light: when it was loaded, or when it was called.
fn refused(what: &str, archive: &[u8]) -> String {
    let project = project(archive);
    let called = output(project.path(), &["invoke", "f.handle"]);
    let said = said(&called);
    assert!(!called.status.success(), "{what}: {said}");
    said
}

#[test]
fn an_image_that_cannot_run_is_refused_with_its_reason() {
    let images = images!();
    let program = images.program();
    let image = || Image::of_program(&program);
    let other = if cfg!(target_arch = "x86_64") { "arm64" } else { "amd64" };
    let wrong_digest = |manifest: &mut Value| {
        manifest["layers"][0]["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    };
    let wrong_size = |manifest: &mut Value| manifest["layers"][0]["size"] = json!(1);
    let damaged = {
        // Somewhere in the program, which lies in the archive as it is.
        let mut bytes = image().archive();
        let at = 512 + 512 + program.len() / 2;
        bytes[at] ^= 0x40;
        bytes
    };
    let cases: [(&str, Vec<u8>, &str); 10] = [
        ("another machine's", image().saying("/architecture", json!(other)).archive(), other),
        ("another system's", image().saying("/os", json!("windows")).archive(), "windows"),
        ("nothing to run", image().saying("/config/Entrypoint", json!([])).archive(), "entrypoint"),
        ("a volume", image().saying("/config/Volumes", json!({"/data": {}})).archive(), "/data"),
        ("a layer that is not there", image().archive_with(wrong_digest), "000000"),
        ("a size that is wrong", image().archive_with(wrong_size), "corrupt"),
        ("damaged", damaged, "corrupt"),
        ("cut short", image().archive()[..program.len() / 2].to_vec(), "corrupt"),
        ("no archive", b"this is no archive".repeat(100), "archive"),
        ("no layer at all", Image::of_program(&program).archive_with(|manifest| manifest["layers"] = json!([])), ""),
    ];
    for (what, archive, reason) in cases {
        let said = refused(what, &archive);
        assert!(said.contains("error: ") && said.contains(reason), "{what}: {said}");
    }
}

#[test]
fn what_an_entrypoint_names_has_to_be_there() {
    let images = images!();
    let archive = Image::of_program(&images.program()).saying("/config/Entrypoint", json!(["/nothing"])).archive();
    let project = project(&archive);
    let running = Running::start(&project);
    let answer = running.get("/web/f");
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(answer.json()["code"], "function_not_started");
}

/// A layer of one entry.
fn layer(entry: Entry<'_>) -> Vec<u8> {
    Layer::default().with(entry).bytes()
}

#[test]
fn a_layer_reaches_nothing_outside() {
    let images = images!();
    let program = images.program();
    let outside = tempfile::tempdir().unwrap();
    let path = |name: &str| outside.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("precious"), "untouched").unwrap();
    let (absolute, precious) = (path("made"), path("precious"));
    let above = format!("{}{}", "../".repeat(20), &absolute[1..]);
    let folder = outside.path().to_str().unwrap();
    let link = |target| Entry::link("door", b'2', target);
    let cases: [(&str, Vec<Vec<u8>>); 9] = [
        ("an absolute name", vec![layer(Entry::file(&absolute, b"x"))]),
        ("a name that leads above", vec![layer(Entry::file(&above, b"x"))]),
        ("through a link", vec![layer(link(folder)), layer(Entry::file("door/made", b"x"))]),
        (
            "through a link of the same layer",
            vec![Layer::default().with(link(folder)).with(Entry::file("door/made", b"x")).bytes()],
        ),
        ("over what a link leads to", vec![layer(link(&precious)), layer(Entry::file("door", b"x"))]),
        ("a hard link to a file outside", vec![layer(Entry::link("precious", b'1', &precious))]),
        (
            "a hard link through a link",
            vec![Layer::default().with(link(folder)).with(Entry::link("precious", b'1', "door/precious")).bytes()],
        ),
        ("a whiteout above", vec![layer(Entry::file(&format!("{}/.wh.precious", &above[..above.len() - 5]), b""))]),
        ("an opaque folder through a link", vec![layer(link(folder)), layer(Entry::file("door/.wh..wh..opq", b""))]),
    ];
    for (what, layers) in cases {
        let image = layers.into_iter().fold(Image::of_program(&program), Image::with_layer);
        // It is refused, or runs with what it wanted to reach made inside.
        let project = project(&image.archive());
        output(project.path(), &["invoke", "f.handle"]);
        let left: Vec<_> = files_below(outside.path());
        assert_eq!(left, [Path::new(&precious)], "{what}");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "untouched", "{what}");
    }
    let said = refused("hostile", &Image::of_program(&program).with_layer(layer(Entry::file(&above, b"x"))).archive());
    assert!(said.contains("hostile"), "{said}");
    // Some tools write absolute names, and mean the root of the container.
    let inside = "/inside-of-a-container/file";
    let project = project(&Image::of_program(&program).with_layer(layer(Entry::file(inside, b"inside"))).archive());
    let running = Running::start(&project);
    assert_eq!(super::told(&running, "f", &json!({"readFile": inside}))["readFile"], "inside");
    assert!(!Path::new(inside).exists());
}

#[test]
fn devices_and_bits_that_give_rights_are_left_out() {
    let images = images!();
    let program = images.program();
    let disk = Entry { name: "disk", kind: b'4', target: "", mode: 0o666, bytes: b"" };
    let memory = Entry { name: "memory", kind: b'3', target: "", mode: 0o666, bytes: b"" };
    let setuid = Entry { mode: 0o6755, ..Entry::file("become-root", &program) };
    let layer = Layer::default().with(disk).with(memory).with(setuid).bytes();
    let project = project(&Image::of_program(&program).with_layer(layer).archive());
    let running = Running::start(&project);
    let told = super::told(&running, "f", &json!({"listFolder": "/", "readFile": "/proc/mounts"}));
    let names: Vec<_> = told["listFolder"].as_str().unwrap().split(' ').collect();
    assert!(names.contains(&"become-root") && !names.contains(&"disk") && !names.contains(&"memory"), "{names:?}");
    let mounts = told["readFile"].as_str().unwrap();
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).unwrap();
    assert!(root.contains("ro,") || root.contains(" ro "), "{root}");
}

#[test]
fn whiteouts_take_away_what_a_layer_below_had() {
    let images = images!();
    let below = Layer::default().with(Entry::file("kept", b"1")).with(Entry::file("gone", b"2")).bytes();
    let folder = Entry { name: "folder/", kind: b'5', target: "", mode: 0o755, bytes: b"" };
    let folder = Layer::default().with(folder).with(Entry::file("folder/old", b"3")).bytes();
    let above = Layer::default()
        .with(Entry::file(".wh.gone", b""))
        .with(Entry::file("folder/.wh..wh..opq", b""))
        .with(Entry::file("folder/new", b"4"))
        .bytes();
    let image = [below, folder, above].into_iter().fold(Image::of_program(&images.program()), Image::with_layer);
    let project = project(&image.archive());
    let running = Running::start(&project);
    let list = |folder: &str| super::told(&running, "f", &json!({"listFolder": folder}))["listFolder"].clone();
    let root = list("/");
    let names: Vec<_> = root.as_str().unwrap().split(' ').collect();
    assert!(names.contains(&"kept") && !names.contains(&"gone"), "{names:?}");
    assert_eq!(list("/folder"), "new");
}

#[test]
fn a_deploy_of_an_image_that_cannot_run_changes_nothing() {
    let images = images!();
    let node = Node::with_operator_and(&[]);
    let good = Image::of_program(&images.program()).archive();
    let project = project(&good);
    node.done(project.path(), &["deploy"]);
    assert_eq!(node.get("/test/web/f").status, 200);
    let bad = Image::of_program(&images.program()).saying("/architecture", json!("s390x")).archive();
    project.write("f.tar", bad);
    let output = node.mu(project.path(), &["deploy"]).output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("s390x"), "{}", said(&output));
    assert_eq!(node.get("/test/web/f").status, 200);
}
