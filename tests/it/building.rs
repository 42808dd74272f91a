//! The programs that build images, change them and write their root file systems.

use std::{collections::BTreeMap, fs, io::Read as _, process::Stdio};

use serde_json::{Value, json};
use wharf_content::Platform;
use wharf_testkit::{Image, Sandbox, require_peers};

use crate::program::{command, ended, run};

/// An image of two layers, the upper of which hides a file, in a layout `here` as `it`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    Image::builder()
        .platform(Platform::new("linux", "amd64"))
        .files(&[("etc/kept", b"1"), ("etc/gone", b"2")])
        .files(&[("etc/.wh.gone", b""), ("srv/file", b"3")])
        .finish()
        .write_layout(&sandbox.path("here"), "it");
    sandbox
}

/// A document of a layout.
fn document(sandbox: &Sandbox, layout: &str, digest: &str) -> Value {
    let name = digest.strip_prefix("sha256:").unwrap();
    let path = sandbox.path(layout).join("blobs/sha256").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The manifest that a program printed last, and its config.
pub(crate) fn made(sandbox: &Sandbox, layout: &str, digest: &str) -> [Value; 2] {
    let manifest = document(sandbox, layout, digest);
    let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
    [manifest, document(sandbox, layout, &config)]
}

/// The files of a tar, with their contents.
fn files(tar: &[u8]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            assert!(files.insert(path, content).is_none());
        }
    }
    files
}

#[test]
fn export_writes_the_files_that_are_left_to_a_file_or_a_pipe() {
    let sandbox = sandbox();
    let image = "--platform=linux/amd64";
    fs::write(sandbox.path("root.tar"), "old").unwrap();
    let digest = run(&sandbox, "export", &[image, "oci:here:it", "root.tar"]).last_line();
    let tar = fs::read(sandbox.path("root.tar")).unwrap();
    let expected = [("etc/kept", "1"), ("srv/file", "3")];
    let expected = expected.map(|(name, content)| (name.to_owned(), content.to_owned()));
    assert_eq!(files(&tar), expected.into());
    for arguments in [
        &["oci:here:it"][..],
        &["oci:here:it", "-"],
        &["oci:here:it", "-o", "-"],
    ] {
        let output = command(&sandbox, "export", arguments).output().unwrap();
        assert_eq!(output.stdout, tar, "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), digest);
    }
    run(&sandbox, "export", &["oci:here:other", "other.tar"]).fails(3, &["other"]);
    run(&sandbox, "export", &["oci:here:it", "missing/root.tar"]).fails(1, &["missing/root.tar"]);
    run(&sandbox, "export", &["oci:here:it", "a", "-o", "b"]).fails(2, &["--output"]);
    assert!(!sandbox.path("other.tar").exists());
}

/// A tar with one file, in a sandbox.
pub(crate) fn with_tar() -> Sandbox {
    let sandbox = sandbox();
    run(&sandbox, "export", &["oci:here:it", "root.tar"]).ok();
    sandbox
}

#[test]
fn import_makes_an_image_of_a_tar_with_the_instructions() {
    let sandbox = with_tar();
    let changes = [
        "CMD /bin/run it",
        "ENTRYPOINT [\"/init\"]",
        "ENV A=1 B=\"two words\"",
        "env C three  words",
        "EXPOSE 80 53/udp",
        "LABEL=team=a",
        "STOPSIGNAL SIGINT",
        "USER 1:2",
        "VOLUME [\"/data\"]",
        "WORKDIR /srv",
    ];
    let mut arguments = vec!["-q", "--platform=linux/arm64", "-m", "from a test"];
    arguments.extend(changes.iter().flat_map(|change| ["-c", change]));
    let command = |more: &[&str]| {
        let mut command = command(&sandbox, "import", &[&arguments[..], more].concat());
        command.env("SOURCE_DATE_EPOCH", "951782400");
        command
    };
    let digest = ended(&mut command(&["root.tar", "oci:made:it"])).last_line();
    let [manifest, config] = made(&sandbox, "made", &digest);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(config["created"], "2000-02-29T00:00:00Z");
    let expected = json!({
        "Entrypoint": ["/init"],
        "Cmd": ["/bin/sh", "-c", "/bin/run it"],
        "Env": ["A=1", "B=two words", "C=three  words"],
        "ExposedPorts": {"80": {}, "53/udp": {}},
        "Labels": {"team": "a"},
        "StopSignal": "SIGINT",
        "User": "1:2",
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
    });
    assert_eq!(config["config"], expected);
    let entry = json!({"created": "2000-02-29T00:00:00Z", "created_by": "import", "comment": "from a test"});
    assert_eq!(config["history"], json!([entry]));
    let mut piped = command(&["-", "oci:piped:it"]);
    piped.stdin(Stdio::from(fs::File::open(sandbox.path("root.tar")).unwrap()));
    assert_eq!(ended(&mut piped).last_line(), digest);
    let again = run(
        &sandbox,
        "export",
        &["--platform=linux/arm64", "oci:piped:it", "again.tar"],
    );
    assert_eq!(again.last_line(), digest);
    assert_eq!(
        fs::read(sandbox.path("again.tar")).unwrap(),
        fs::read(sandbox.path("root.tar")).unwrap()
    );
}

#[test]
fn import_names_mistakes() {
    let sandbox = with_tar();
    let fails = |change: &str, part: &str| {
        run(&sandbox, "import", &["-c", change, "root.tar", "oci:x:y"]).fails(2, &[part]);
    };
    fails("ONBUILD RUN true", "ONBUILD");
    fails("RUN true", "RUN is none of CMD");
    fails("CMD", "no arguments");
    fails("CMD []", "no arguments");
    fails("LABEL a=\"b", "not closed");
    fails("ENV =b", "NAME=VALUE");
    run(&sandbox, "import", &["none.tar", "oci:x:y"]).fails(3, &["none.tar"]);
    run(&sandbox, "import", &["https://a.example/x.tar", "oci:x:y"]).fails(1, &["download"]);
    run(&sandbox, "import", &["root.tar", "oci-archive:-:y"]).fails(2, &["standard output"]);
    run(&sandbox, "import", &["-c", "EXPOSE x", "root.tar", "oci:x:y"]).fails(1, &["x"]);
}

#[test]
fn import_gives_the_layer_and_the_config_that_podman_gives() {
    require_peers!("podman");
    let sandbox = with_tar();
    let changes = [
        "-c",
        "CMD [\"/x\", \"y\"]",
        "-c",
        "ENV A=b",
        "-c",
        "LABEL c=d",
        "-c",
        "USER 7",
    ];
    let podman = sandbox.podman();
    let path = sandbox.path("root.tar").display().to_string();
    podman
        .run(&[&["import", "-q"][..], &changes, &[&path, "localhost/it:1"]].concat())
        .ok();
    let theirs = podman.run(&["inspect", "--type=image", "localhost/it:1"]).json();
    let digest = run(
        &sandbox,
        "import",
        &[&changes[..], &["root.tar", "oci:made:it"]].concat(),
    )
    .last_line();
    let [_, config] = made(&sandbox, "made", &digest);
    assert_eq!(config["rootfs"]["diff_ids"], theirs[0]["RootFS"]["Layers"]);
    assert_eq!(config["config"], theirs[0]["Config"]);
}

#[cfg(target_os = "linux")]
#[test]
fn build_from_puts_a_directory_on_a_base_and_gives_the_same_image_again() {
    let sandbox = sandbox();
    fs::create_dir_all(sandbox.path("site/srv")).unwrap();
    fs::write(sandbox.path("site/srv/file"), "44").unwrap();
    fs::write(sandbox.path("site/new"), "5").unwrap();
    let build = |more: &[&str], to: &str| {
        let arguments = [
            more,
            &[
                "--platform=linux/amd64",
                "-e",
                "A=b",
                "-u",
                "7",
                "site",
                to,
                "--",
                "/new",
                "-x",
            ],
        ];
        let mut command = command(&sandbox, "build-from", &arguments.concat());
        ended(command.env("SOURCE_DATE_EPOCH", "1000000000")).last_line()
    };
    let digest = build(&["--base=oci:here:it"], "oci:made:it");
    let [manifest, config] = made(&sandbox, "made", &digest);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
    assert_eq!(
        config["config"],
        json!({ "Cmd": ["/new", "-x"], "Env": ["PATH=/usr/bin:/bin", "A=b"], "User": "7" })
    );
    assert_eq!(config["created"], "2001-09-09T01:46:40Z");
    assert_eq!(build(&["--base=oci:here:it"], "oci:again:it"), digest);
    run(
        &sandbox,
        "export",
        &["--platform=linux/amd64", "oci:made:it", "root.tar"],
    )
    .ok();
    let expected = [("etc/kept", "1"), ("srv/file", "44"), ("new", "5")];
    let expected = expected.map(|(name, content)| (name.to_owned(), content.to_owned()));
    assert_eq!(
        files(&fs::read(sandbox.path("root.tar")).unwrap()),
        expected.into()
    );

    let digest = build(&[], "oci:alone:it");
    let [manifest, config] = made(&sandbox, "alone", &digest);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&config["architecture"], &config["os"]),
        (&json!("amd64"), &json!("linux"))
    );
    run(&sandbox, "build-from", &["nowhere", "oci:x:y"]).fails(3, &["nowhere"]);
    run(&sandbox, "build-from", &["-e", "novalue", "site", "oci:x:y"]).fails(2, &["NAME=VALUE"]);
}

#[cfg(target_os = "linux")]
#[test]
fn append_makes_a_layer_of_a_directory_and_the_same_one_again() {
    let sandbox = sandbox();
    fs::create_dir_all(sandbox.path("site/srv")).unwrap();
    fs::write(sandbox.path("site/srv/file"), "44").unwrap();
    fs::write(sandbox.path("site/new"), "5").unwrap();
    let append = |more: &[&str], to: &str| {
        let arguments = [&["--platform=linux/amd64", "-f", "site", "-t", to], more].concat();
        run(&sandbox, "append", &arguments)
    };
    let first = append(&[], "oci:made:it");
    assert!(first.stderr.contains("making added layer 1"), "{}", first.stderr);
    let digest = first.last_line();
    assert_eq!(append(&["-q"], "oci:again:it").last_line(), digest);
    let [manifest, _] = made(&sandbox, "made", &digest);
    let layer = &manifest["layers"][0];
    let alone = ["-q", "--platform=linux/amd64", "site", "oci:alone:it"];
    let [built, _] = made(
        &sandbox,
        "alone",
        &run(&sandbox, "build-from", &alone).last_line(),
    );
    assert_eq!(built["layers"][0], *layer);
    run(&sandbox, "export", &["oci:made:it", "root.tar"]).ok();
    let expected =
        [("srv/file", "44"), ("new", "5")].map(|(name, content)| (name.to_owned(), content.to_owned()));
    assert_eq!(
        files(&fs::read(sandbox.path("root.tar")).unwrap()),
        expected.into()
    );

    let kinds: [(&[&str], &str); 4] = [
        (
            &["--compression-level=1"],
            "application/vnd.oci.image.layer.v1.tar+gzip",
        ),
        (
            &["--compression-format=gzip"],
            "application/vnd.oci.image.layer.v1.tar+gzip",
        ),
        (
            &["--compression-format=zstd"],
            "application/vnd.oci.image.layer.v1.tar+zstd",
        ),
        (
            &["--compression-format=zstd", "--compression-level=19"],
            "application/vnd.oci.image.layer.v1.tar+zstd",
        ),
    ];
    for (number, (flags, media_type)) in kinds.into_iter().enumerate() {
        let layout = format!("kind{number}");
        let digest = append(&[&["-q"], flags].concat(), &format!("oci:{layout}:it")).last_line();
        let [manifest, _] = made(&sandbox, &layout, &digest);
        assert_eq!(manifest["layers"][0]["mediaType"], media_type, "{flags:?}");
    }
    append(&["--compression-level=10"], "oci:x:y").fails(1, &["10"]);
    append(&["--compression-format=lz4"], "oci:x:y").fails(2, &["gzip or zstd"]);
    fs::write(sandbox.path("site/.wh.gone"), "").unwrap();
    append(&["-q"], "oci:x:y").fails(1, &[".wh.gone", "rename it"]);
}
