//! Limits of the store and of its disk.

use super::*;

#[tokio::test]
async fn there_is_room_for_so_much_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let archive = |name: &str| ImageArchive::Bytes(ImageSource::new(&[layer(name, name)]).archive().into());
    // Two and what is known of a third.
    let limits = ImageLimits { store_bytes_max: 2 * SMALL + 1000, ..ImageLimits::default() };
    let store = ImageStore::open(StoreParams { limits, ..params(dir.path(), Form::Unpacked) }).unwrap();
    let a = store.load_archive(archive("a")).await.unwrap();
    for name in ["b", "c"] {
        store.load_archive(archive(name)).await.unwrap();
    }
    let d = store.load_archive(archive("d")).await.unwrap();
    assert_eq!(names(dir.path(), "images"), 3, "nobody holds some of them");
    let e = store.load_archive(archive("e")).await.unwrap();
    let error = store.load_archive(archive("f")).await.expect_err("all are held");
    assert!(matches!(error, ImageError::NoRoom { used_bytes, .. } if used_bytes == 3 * SMALL), "{error:?}");
    assert_eq!(store.load_archive(archive("a")).await.unwrap().digest(), a.digest(), "what is here takes no room");
    drop((d, e));
    store.load_archive(archive("f")).await.unwrap();
}

#[tokio::test]
async fn on_a_full_disk_there_is_room_where_images_were() {
    if !is_root_or_skipped("on_a_full_disk_there_is_room_where_images_were") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let noise = |seed: u32| -> String {
        (0..10_000_u32)
            .map(|at| Digest::of(&[at.to_be_bytes(), seed.to_be_bytes()].concat()).hex().to_owned())
            .collect()
    };
    for (options, fills) in [(c"size=1m,nr_inodes=100", "its bytes"), (c"nr_inodes=40", "its files")] {
        let disk = SmallDisk::mount(dir.path(), options);
        let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
        for seed in 0..5 {
            let files: Vec<_> = (0..20).fold(Tar::default(), |tar, at| tar.file(&at.to_string(), b"")).finish();
            let content = if fills == "its bytes" { layer("noise", &noise(seed)) } else { files };
            let image = ImageSource::new(&[content, layer("seed", &seed.to_string())]);
            let loaded = store.load_archive(ImageArchive::Bytes(image.archive().into())).await;
            loaded.unwrap_or_else(|error| panic!("{fills}: {error}"));
        }
        // Nothing at all can be made.
        let made = |at: &u32| fs::File::create(dir.path().join(format!("tmp/{at}-left"))).is_ok();
        assert!((0..).take_while(made).count() < 100);
        assert!(store.shared.collect(0).unwrap().images >= 1, "{fills}");
        drop((store, disk));
    }
}

/// A disk of its own for a directory.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path, options: &std::ffi::CStr) -> Self {
        rustix::mount::mount("mu", at, "tmpfs", rustix::mount::MountFlags::empty(), options).unwrap();
        Self(at)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        rustix::mount::unmount(self.0, rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}
