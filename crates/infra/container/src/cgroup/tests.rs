//! Hierarchies of either version, and what their files say.

use super::*;

fn find(mounts: &[(&str, &str, &str)], controllers: &str) -> Cgroups {
    let mount = |(dir, kind, options): &(&str, &str, &str)| Mount {
        dir: PathBuf::from(dir),
        kind: (*kind).to_owned(),
        options: (*options).to_owned(),
    };
    Cgroups::of(&mounts.iter().map(mount).collect::<Vec<_>>(), "n", |_| controllers.to_owned())
}

#[test]
fn controllers_are_found_in_either_version() {
    let place = |version, dir: &str| Some(Place { version, hierarchy: dir.into() });

    let second = find(&[("/", "ext4", "rw"), ("/c", "cgroup2", "rw")], "cpuset cpu io memory pids");
    assert_eq!(second.memory, place(Version::Two, "/c"));
    assert_eq!((&second.cpu, &second.freezer), (&second.memory, &second.memory));
    assert_eq!(second.second_of_hybrid(), None);

    let first = find(&[("/c/cpu", "cgroup", "rw,cpu,cpuacct"), ("/c/memory", "cgroup", "rw,memory")], "");
    assert_eq!(first.memory, place(Version::One, "/c/memory"));
    assert_eq!(first.cpu_time, place(Version::One, "/c/cpu"));
    assert_eq!((&first.pids, &first.freezer), (&None, &None));

    let hybrid = find(&[("/c/memory", "cgroup", "rw,memory"), ("/c/unified", "cgroup2", "rw")], "pids hugetlb");
    assert_eq!(hybrid.memory, place(Version::One, "/c/memory"));
    assert_eq!((&hybrid.pids, &hybrid.cpu), (&place(Version::Two, "/c/unified"), &None));
    assert_eq!(hybrid.freezer, hybrid.pids);
    assert_eq!(hybrid.second_of_hybrid(), Some(Path::new("/c/unified")));
}

/// A hierarchy whose files of a group are `files`.
fn hierarchy(kind: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Cgroups, Group) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let cgroups = find(&[(path, kind, "rw,memory,pids,cpu,cpuacct,freezer")], "memory pids cpu");
    let group = cgroups.group(&ContainerId::of("c"));
    fs::create_dir_all(dir.path().join(&group.0)).unwrap();
    for (file, text) in files {
        fs::write(dir.path().join(&group.0).join(file), format!("{text}\n")).unwrap();
    }
    (dir, cgroups, group)
}

#[test]
fn no_limit_is_told_from_one_that_is_not_known() {
    let none = Some(u64::MAX);
    let of =
        |memory_bytes, memory_and_swap_bytes, pids, cpu| Enforced { memory_bytes, memory_and_swap_bytes, pids, cpu };
    for (kind, files, expected) in [
        (
            "cgroup2",
            &[("memory.max", "5"), ("memory.swap.max", "0"), ("pids.max", "7"), ("cpu.max", "50000 100000")][..],
            of(Some(5), Some(5), Some(7), Some((50_000, 100_000))),
        ),
        (
            "cgroup2",
            &[("memory.max", "5"), ("memory.swap.max", "max"), ("pids.max", "max"), ("cpu.max", "max 100000")],
            of(Some(5), none, none, Some((u64::MAX, 100_000))),
        ),
        ("cgroup2", &[("memory.max", "max"), ("memory.swap.max", "max")], of(none, none, None, None)),
        ("cgroup2", &[("memory.max", "5")], of(Some(5), None, None, None)),
        (
            "cgroup",
            &[("memory.limit_in_bytes", "5"), ("memory.memsw.limit_in_bytes", "6"), ("pids.max", "max")],
            of(Some(5), Some(6), none, None),
        ),
        (
            "cgroup",
            &[("cpu.cfs_quota_us", "50000"), ("cpu.cfs_period_us", "100000")],
            of(None, None, None, Some((50_000, 100_000))),
        ),
        ("cgroup", &[("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "100000")], of(None, None, None, None)),
    ] {
        let (_dir, cgroups, group) = hierarchy(kind, files);
        assert_eq!(cgroups.enforced(&group), expected, "{files:?}");
    }
}

#[test]
fn the_group_of_a_process_is_read() {
    for (text, expected) in [
        ("6:freezer:/docker/ab12\n4:memory:/docker/ab12\n0::/", Some("docker/ab12")),
        ("0::/system.slice/docker-ab12.scope\n", Some("system.slice/docker-ab12.scope")),
        ("0::/machine.slice/libpod-ab12.scope/container\n", Some("machine.slice/libpod-ab12.scope/container")),
        ("3:cpu,cpuacct:/a:b\n0::/c:d\n", Some("c:d")),
        ("", None),
    ] {
        let group = Group::parse(text);
        assert_eq!(group, expected.map(|path| Group(path.into())), "{text}");
        assert_eq!(group.is_some_and(|group| group.is_of("ab12")), text.contains("ab12"));
    }
}

#[test]
fn fields_are_read() {
    let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    assert_eq!((field(text, "oom_kill"), field(text, "usage_usec")), (Some(3), None));
    assert_eq!((number("134217728\n"), number("max\n")), (Some(134_217_728), None));
}
