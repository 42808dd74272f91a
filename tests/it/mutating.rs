//! The flags of `mutate`, and images of an index changed in place.

use std::fs;

use serde_json::{Value, json};
use wharf_content::Platform;
use wharf_image::tar::{Member, Time, Writer};
use wharf_testkit::{Image, Index, Sandbox, require_peers};

use crate::{building::made, program::run};

fn image(architecture: &str) -> Image {
    Image::builder()
        .platform(Platform::new("linux", architecture))
        .files(&[("etc/", b""), ("etc/secret", b"1"), ("etc/kept", b"2")])
        .files(&[("srv/data/", b""), ("srv/data/file", b"3")])
        .finish()
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    image("amd64").write_layout(&sandbox.path("l"), "app");
    sandbox
}

fn mutated(sandbox: &Sandbox, flags: &[&str]) -> [Value; 2] {
    let digest = run(sandbox, "mutate", &[&["-q"], flags, &["oci:l:app"]].concat()).last_line();
    made(sandbox, "l", &digest)
}

#[test]
fn mutate_sets_clears_and_removes_each_part_of_the_config() {
    let sandbox = sandbox();
    let all = [
        "--clear=env",
        "--entrypoint=/init",
        "--cmd=a,b",
        "-e=A=1",
        "-e=B=2",
        "-l=k=v",
        "-l=m=n",
        "-V=/data",
        "--volume=/var/lib/x",
        "--exposed-ports=80/tcp",
        "-u=7",
        "-w=/srv",
        "--stop-signal=SIGINT",
        "--author=me",
        "--created=2026-01-01T00:00:00Z",
    ];
    let [_, config] = mutated(&sandbox, &all);
    assert_eq!(
        config["config"]["Volumes"],
        json!({"/data": {}, "/var/lib/x": {}})
    );
    assert_eq!(
        (&config["author"], &config["created"]),
        (&json!("me"), &json!("2026-01-01T00:00:00Z"))
    );
    let full = config["config"].clone();
    // A part, the member, and the value that is left.
    let rows = [
        ("config.env", "Env"),
        ("config.labels", "Labels"),
        ("config.exposedports", "ExposedPorts"),
        ("config.volume", "Volumes"),
        ("config.cmd", "Cmd"),
        ("config.user", "User"),
        ("config.workingdir", "WorkingDir"),
        ("config.stopsignal", "StopSignal"),
    ];
    for (part, member) in rows {
        mutated(&sandbox, &all);
        let [_, config] = mutated(&sandbox, &["--clear", part]);
        let value = &config["config"][member];
        assert!(
            value.is_null() || value == &json!([]) || value == &json!({}),
            "{part}: {value}"
        );
        for other in full.as_object().unwrap().keys().filter(|key| *key != member) {
            assert_eq!(config["config"][other], full[other], "{part}: {other}");
        }
    }
    mutated(&sandbox, &all);
    let [_, config] = mutated(&sandbox, &["--clear=author", "--clear=created"]);
    assert_eq!((config.get("author"), config.get("created")), (None, None));
    mutated(&sandbox, &all);
    let [_, config] = mutated(
        &sandbox,
        &["--unsetenv=A", "--unsetlabel=k", "--unsetlabel=absent"],
    );
    assert_eq!(
        (&config["config"]["Env"], &config["config"]["Labels"]),
        (&json!(["B=2"]), &json!({"m": "n"}))
    );
    let [_, config] = mutated(&sandbox, &["--clear=env", "-e=C=3", "--clear=volumes", "-V=/new"]);
    assert_eq!(
        config["config"]["Env"],
        json!(["C=3"]),
        "what is set comes after what is cleared"
    );
    assert_eq!(config["config"]["Volumes"], json!({"/new": {}}));
    run(&sandbox, "mutate", &["--clear=nothing", "oci:l:app"]).fails(2, &["config.env"]);
    run(&sandbox, "mutate", &["--created=yesterday", "oci:l:app"]).fails(1, &["RFC 3339"]);
    run(&sandbox, "mutate", &["--volume=", "oci:l:app"]).fails(1, &["no path"]);
}

#[test]
fn mutate_strips_files_sets_their_times_and_removes_layers() {
    let sandbox = sandbox();
    let files = || {
        run(&sandbox, "export", &["oci:l:app", "out.tar"]).ok();
        let tar = fs::read(sandbox.path("out.tar")).unwrap();
        let mut archive = tar::Archive::new(&tar[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let path = entry
                .path()
                .unwrap()
                .to_string_lossy()
                .trim_matches('/')
                .to_owned();
            (path, entry.header().mtime().unwrap())
        });
        entries.collect::<Vec<_>>()
    };
    let [before, _] = made(&sandbox, "l", image("amd64").manifest().digest().as_str());
    let [after, config] = mutated(&sandbox, &["--strip-file=/etc/secret"]);
    assert!(files().iter().all(|(path, _)| path != "etc/secret"));
    assert!(files().iter().any(|(path, _)| path == "etc/kept"));
    assert_ne!(before["layers"][0], after["layers"][0]);
    assert_eq!(
        before["layers"][1], after["layers"][1],
        "a layer without it keeps its bytes"
    );
    assert_eq!(
        config["history"].as_array().unwrap().len(),
        2,
        "the history stays"
    );
    mutated(&sandbox, &["--strip-file=srv"]);
    assert!(
        files().iter().all(|(path, _)| !path.starts_with("srv")),
        "a directory with what is in it"
    );

    let mut writer = Writer::new();
    let mut late = writer
        .member(
            &Member::file("late", 0)
                .unwrap()
                .with_modified(Time::new(2_000_000_000, 5)),
        )
        .unwrap();
    late.extend_from_slice(writer.end_member().unwrap());
    late.extend_from_slice(writer.finish().unwrap());
    fs::write(sandbox.path("late.tar"), late).unwrap();
    run(
        &sandbox,
        "append",
        &["-q", "-b", "oci:l:app", "-f", "late.tar", "-t", "oci:l:app"],
    )
    .ok();
    mutated(&sandbox, &["--layer-time-max=2026-01-01T00:00:00Z"]);
    let times: Vec<u64> = files().iter().map(|(_, time)| *time).collect();
    assert!(
        times.contains(&1_767_225_600) && times.iter().all(|time| *time <= 1_767_225_600),
        "{times:?}"
    );

    let [manifest, config] = mutated(&sandbox, &["--remove-layer=3", "--remove-layer=1"]);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(config["history"].as_array().unwrap().len(), 1);
    run(&sandbox, "mutate", &["--remove-layer=9", "oci:l:app"]).fails(3, &["9"]);
    run(&sandbox, "mutate", &["--layer-time-max=later", "oci:l:app"]).fails(2, &["2026-01-01T00:00:00Z"]);
}

#[test]
fn an_index_is_changed_in_place_as_a_whole_or_for_one_platform() {
    let sandbox = Sandbox::new();
    Index::of(["amd64", "arm64"].map(image).to_vec()).write_layout(&sandbox.path("l"), "multi");
    let users = |digest: &str| -> Vec<Value> {
        let path = |digest: &str| {
            sandbox
                .path("l/blobs/sha256")
                .join(digest.trim_start_matches("sha256:"))
        };
        let index: Value = serde_json::from_slice(&fs::read(path(digest)).unwrap()).unwrap();
        let entries = index["manifests"].as_array().unwrap().iter();
        let children = entries.map(|entry| made(&sandbox, "l", entry["digest"].as_str().unwrap()));
        children
            .map(|[_, config]| config["config"]["User"].clone())
            .collect()
    };
    let mutate =
        |flags: &[&str]| run(&sandbox, "mutate", &[&["-q"], flags, &["oci:l:multi"]].concat()).last_line();
    let inspected = || {
        let raw = run(&sandbox, "inspect", &["--raw", "oci:l:multi"]).ok();
        serde_json::from_str::<Value>(&raw).unwrap()["manifests"]
            .as_array()
            .map(Vec::len)
    };
    let digest = mutate(&["-u=7"]);
    assert_eq!(users(&digest), [json!("7"), json!("7")]);
    assert_eq!(inspected(), Some(2));
    let digest = mutate(&["-u=8", "--platform=linux/arm64"]);
    assert_eq!(users(&digest), [json!("7"), json!("8")], "the other image stays");
    assert_eq!(inspected(), Some(2));
    let digest = mutate(&["--strip-file=etc/secret", "--platform=linux/amd64"]);
    assert_eq!(users(&digest), [json!("7"), json!("8")]);
    run(
        &sandbox,
        "mutate",
        &["-u=9", "--platform=linux/riscv64", "oci:l:multi"],
    )
    .fails(3, &["riscv64"]);
    // To another destination, the image for the platform goes alone.
    let alone = [
        "-q",
        "-u=9",
        "--platform=linux/arm64",
        "oci:l:multi",
        "oci:l:alone",
    ];
    let digest = run(&sandbox, "mutate", &alone).last_line();
    let [_, config] = made(&sandbox, "l", &digest);
    assert_eq!(config["config"]["User"], "9");
    let squashed = run(&sandbox, "squash", &["-q", "oci:l:multi"]).last_line();
    assert_eq!(users(&squashed), [json!("7"), json!("8")]);
}

#[test]
fn what_mutate_writes_is_read_by_skopeo_and_umoci() {
    require_peers!("skopeo", "umoci");
    let sandbox = sandbox();
    mutated(
        &sandbox,
        &[
            "--strip-file=etc/secret",
            "-V=/data",
            "--layer-time-max=2000-01-01T00:00:00Z",
        ],
    );
    let from = format!("oci:{}:app", sandbox.path("l").display());
    let copied = sandbox
        .skopeo()
        .run(&["copy", &from, &format!("dir:{}", sandbox.path("d").display())]);
    copied.ok();
    let [layout, bundle] = ["l:app", "bundle"].map(|path| sandbox.path(path).display().to_string());
    sandbox
        .umoci()
        .run(&["unpack", "--rootless", "--image", &layout, &bundle])
        .ok();
    assert!(sandbox.path("bundle/rootfs/etc/kept").exists());
    assert!(!sandbox.path("bundle/rootfs/etc/secret").exists());
}
