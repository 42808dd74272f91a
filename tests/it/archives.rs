//! Archives that the examples write and read: `save`, `load` and `copy`, with files, pipes and other readers.

use std::{
    fs::{self, File},
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;
use wharf_content::Platform;
use wharf_testkit::{Image, Index, Sandbox, require_peers};

use crate::program::{Ended, command, ended, run};

/// A store `images` with two images that share a layer, `localhost/app:1` and `localhost/tool:1`, one without a name, and
/// an index `localhost/both:1`.
fn sandbox() -> (Sandbox, [Image; 3], Index) {
    let sandbox = Sandbox::new();
    let image = |file: &str, platform: Platform| {
        Image::builder()
            .files(&[("etc/motd", b"shared")])
            .files(&[("file", file.as_bytes())])
            .platform(platform)
            .finish()
    };
    let images = ["app", "tool", "nameless"].map(|file| image(file, Platform::host()));
    let both = Index::of(vec![
        image("both", Platform::host()),
        image("both", Platform::new("linux", "s390x")),
    ]);
    images[0].write_layout(&sandbox.path("a"), "x");
    images[1].write_layout(&sandbox.path("b"), "x");
    images[2].write_layout(&sandbox.path("c"), "x");
    both.write_layout(&sandbox.path("d"), "x");
    for (from, to) in [
        ("oci:a:x", "oci:images:localhost/app:1"),
        ("oci:b:x", "oci:images:localhost/tool:1"),
    ] {
        run(&sandbox, "copy", &[from, to]).ok();
    }
    let nameless = format!("oci:c@{}", images[2].manifest().digest());
    run(&sandbox, "copy", &[&nameless, "oci:images"]).ok();
    run(
        &sandbox,
        "copy",
        &["--all", "oci:d:x", "oci:images:localhost/both:1"],
    )
    .ok();
    (sandbox, images, both)
}

/// The digest of an image's config.
fn id(image: &Image) -> String {
    image.blobs()[0].0.digest().to_string()
}

fn digest(image: &Image) -> String {
    image.manifest().digest().to_string()
}

/// A member of an archive.
fn member(sandbox: &Sandbox, archive: &str, name: &str) -> Vec<u8> {
    let mut archive = tar::Archive::new(File::open(sandbox.path(archive)).unwrap());
    let mut found = archive.entries().unwrap().map(Result::unwrap);
    let mut found = found
        .find(|entry| entry.path().unwrap().to_str() == Some(name))
        .unwrap_or_else(|| panic!("no {name}"));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut found, &mut bytes).unwrap();
    bytes
}

fn json(sandbox: &Sandbox, archive: &str, name: &str) -> Value {
    serde_json::from_slice(&member(sandbox, archive, name)).unwrap()
}

/// Runs an example with bytes on its standard input.
fn piped(sandbox: &Sandbox, name: &str, arguments: &[&str], input: Vec<u8>) -> Ended {
    let mut child = command(sandbox, name, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || pipe.write_all(&input).ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs an example with standard output in a file.
fn into_file(sandbox: &Sandbox, name: &str, arguments: &[&str], file: &str) -> Ended {
    let mut command = command(sandbox, name, arguments);
    let output = command
        .stdout(File::create(sandbox.path(file)).unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::new(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn what_is_saved_is_loaded_under_its_names() {
    let (sandbox, images, _) = sandbox();
    let save = [
        "-q",
        "--store",
        "images",
        "-o",
        "one.tar",
        "localhost/app:1",
        "quay.io/team/app",
    ];
    assert_eq!(run(&sandbox, "save", &save).ok(), "");
    let loaded = run(&sandbox, "load", &["-i", "one.tar", "--store", "one"]).ok();
    assert_eq!(
        loaded,
        "Loaded image: localhost/app:1\nLoaded image: quay.io/team/app:latest\n"
    );
    let inspected = run(&sandbox, "inspect", &["oci:one:quay.io/team/app:latest"]).ok();
    assert!(inspected.contains(&digest(&images[0])), "{inspected}");

    let several = [
        "-q",
        "-m",
        "--store",
        "images",
        "localhost/app:1",
        "localhost/tool:1",
    ];
    into_file(&sandbox, "save", &several, "two.tar").ok();
    let tar = fs::read(sandbox.path("two.tar")).unwrap();
    let loaded = piped(&sandbox, "load", &["--store", "two"], tar.clone()).ok();
    assert_eq!(
        loaded,
        "Loaded image: localhost/app:1\nLoaded image: localhost/tool:1\n"
    );
    let items = json(&sandbox, "two.tar", "manifest.json");
    let tags: Vec<&str> = items
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["RepoTags"][0].as_str().unwrap())
        .collect();
    assert_eq!(tags, ["localhost/app:1", "localhost/tool:1"]);
    // A layer that both have is there once.
    let mut archive = tar::Archive::new(&*tar);
    let names = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned());
    let blobs: Vec<String> = names.filter(|name| name.len() > 64).collect();
    assert_eq!(blobs.len(), 3 + 2 * 2, "{blobs:?}");

    let nameless = format!("oci:images@{}", digest(&images[2]));
    run(&sandbox, "save", &["-o", "nameless.tar", &nameless]).ok();
    let loaded = run(&sandbox, "load", &["-i", "nameless.tar", "--store", "three"]);
    let place = format!("oci:three@{}", digest(&images[2]));
    assert!(loaded.stderr.contains(&place), "{loaded:?}");
    assert_eq!(loaded.ok(), format!("Loaded image: {}\n", id(&images[2])));
    run(&sandbox, "inspect", &[&place]).ok();
}

#[test]
fn every_format_is_saved_and_loaded() {
    let (sandbox, images, _) = sandbox();
    for (format, output, loaded) in [
        ("docker-archive", "k.tar", "localhost/app:1"),
        ("oci-archive", "o.tar", "localhost/app:1"),
        ("oci-dir", "layout", "localhost/app:1"),
        ("docker-dir", "dir", &*id(&images[0])),
    ] {
        let save = [
            "--store",
            "images",
            "--format",
            format,
            "-o",
            output,
            "localhost/app:1",
        ];
        run(&sandbox, "save", &save).ok();
        let store = format!("from-{format}");
        assert_eq!(
            run(&sandbox, "load", &["-i", output, "--store", &store]).ok(),
            format!("Loaded image: {loaded}\n"),
            "{format}"
        );
        let config = sandbox.path(format!("{store}/blobs/{}", id(&images[0]).replace(':', "/")));
        assert_eq!(fs::read(config).unwrap(), images[0].blobs()[0].1, "{format}");
    }
    let manifest: Value =
        serde_json::from_slice(&fs::read(sandbox.path("dir/manifest.json")).unwrap()).unwrap();
    assert_eq!(
        manifest["mediaType"],
        "application/vnd.docker.distribution.manifest.v2+json"
    );
}

#[test]
fn mistakes_of_save_and_load_are_explained() {
    let (sandbox, ..) = sandbox();
    fs::write(sandbox.path("taken.tar"), "x").unwrap();
    fs::create_dir(sandbox.path("empty")).unwrap();
    let rows: [(&str, &[&str], i32, &[&str]); 15] = [
        ("save", &["localhost/app:1"], 1, &["--store"]),
        ("save", &[], 2, &["IMAGE"]),
        (
            "save",
            &["--store", "images", "-o", "x.tar", "absent:1"],
            3,
            &["absent:1"],
        ),
        (
            "save",
            &["--store", "nowhere", "-o", "x.tar", "a"],
            3,
            &["nowhere"],
        ),
        (
            "save",
            &["--store", "images", "-o", "taken.tar", "localhost/app:1"],
            1,
            &["taken.tar exists"],
        ),
        (
            "save",
            &["--store", "images", "-o", "x", "--format", "tar", "a"],
            2,
            &["docker-archive"],
        ),
        (
            "save",
            &["--store", "images", "--format", "oci-dir", "a"],
            1,
            &["--output"],
        ),
        (
            "save",
            &[
                "--store",
                "images",
                "-m",
                "--format",
                "docker-dir",
                "-o",
                "x",
                "a",
                "b",
            ],
            1,
            &["one image"],
        ),
        (
            "save",
            &["--store", "images", "--compress", "-o", "x", "a"],
            1,
            &["docker-dir"],
        ),
        (
            "save",
            &["--store", "images", "-o", "x.tar", "localhost/app:1", "App"],
            1,
            &["another name", "App"],
        ),
        (
            "load",
            &["-i", "typo.tar", "--store", "s"],
            3,
            &["cannot open typo.tar"],
        ),
        ("load", &["-i", "taken.tar", "--store", "s"], 1, &["archive"]),
        (
            "load",
            &["-i", "empty", "--store", "s"],
            1,
            &["neither oci-layout nor manifest.json"],
        ),
        ("load", &["-i", "taken.tar"], 2, &["--store"]),
        ("load", &["--store", "s"], 1, &["archive"]), // standard input is empty
    ];
    for (name, arguments, code, parts) in rows {
        run(&sandbox, name, arguments).fails(code, parts);
    }
    assert_eq!(fs::read(sandbox.path("taken.tar")).unwrap(), b"x");
    assert!(!sandbox.path("x.tar").exists());
    let replace = [
        "--replace",
        "--store",
        "images",
        "-o",
        "taken.tar",
        "localhost/app:1",
    ];
    run(&sandbox, "save", &replace).ok();
    run(&sandbox, "load", &["-i", "taken.tar", "--store", "s"]).ok();
}

/// `-` and the names of standard input and output, in both directions.
#[test]
fn copies_go_through_pipes() {
    let (sandbox, images, _) = sandbox();
    for (number, output) in ["-", "/dev/stdout"].into_iter().enumerate() {
        for (form, name) in [("docker-archive", ":quay.io/a/b:2"), ("oci-archive", ":v1")] {
            let (to, file) = (format!("{form}:{output}{name}"), format!("{form}{number}.tar"));
            let arguments = ["oci:images:localhost/app:1", &to];
            let ended = into_file(&sandbox, "copy", &arguments, &file);
            assert!(ended.stderr.contains(&digest(&images[0])), "{ended:?}");
            ended.ok();
            let tar = fs::read(sandbox.path(&file)).unwrap();
            for (input, name) in [("-", ""), ("/dev/stdin", name), ("-", ":@0")] {
                let from = format!("{form}:{input}{name}");
                let to = format!("oci:back:{form}{number}");
                let ended = piped(&sandbox, "copy", &[&from, &to], tar.clone());
                assert_eq!(ended.last_line(), digest(&images[0]), "{from}");
                let ended = piped(&sandbox, "inspect", &[&from], tar.clone());
                assert!(ended.ok().contains(&digest(&images[0])), "{from}");
            }
            let missing = format!("{form}:-:quay.io/no/such:1");
            piped(&sandbox, "copy", &[&missing, "oci:back:x"], tar).fails(3, &["has no image", "it has"]);
        }
    }
}

#[test]
fn a_compressed_archive_is_read_from_a_file_and_a_pipe() {
    let (sandbox, images, _) = sandbox();
    run(
        &sandbox,
        "copy",
        &["oci:images:localhost/app:1", "docker-archive:a.tar:app:1"],
    )
    .ok();
    let plain = fs::read(sandbox.path("a.tar")).unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&plain).unwrap();
    let packed = packer.finish().unwrap();
    fs::write(sandbox.path("a.tar.gz"), &packed).unwrap();
    let from = "docker-archive:a.tar.gz:app:1";
    assert_eq!(
        run(&sandbox, "copy", &[from, "oci:back:a"]).last_line(),
        digest(&images[0])
    );
    run(&sandbox, "load", &["-i", "a.tar.gz", "--store", "back"]).ok();
    assert_eq!(
        piped(&sandbox, "load", &["--store", "back"], packed).ok(),
        "Loaded image: docker.io/library/app:1\n"
    );
}

/// The rule that counts is that of the archive, in the form that the user named. The images of a stream are stored
/// meanwhile, and no rule is asked for that store.
#[test]
fn the_policy_is_asked_for_the_archive_that_is_named_and_for_nothing_else() {
    let (sandbox, images, _) = sandbox();
    for to in ["docker-archive:a.tar:app:1", "oci-archive:o.tar:v1"] {
        run(&sandbox, "copy", &["oci:images:localhost/app:1", to]).ok();
    }
    let tar = fs::read(sandbox.path("a.tar")).unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&tar).unwrap();
    fs::write(sandbox.path("a.tar.gz"), packer.finish().unwrap()).unwrap();
    let packed = fs::canonicalize(sandbox.path("a.tar.gz")).unwrap();
    let accept = r#"[{"type":"insecureAcceptAnything"}]"#;
    let signed = r#"[{"type":"signedBy","keyType":"GPGKeys","keyData":"AAAA"}]"#;
    let rules = |transport: &str, scope: &str, rule: &str| {
        format!(r#"{{"default":[{{"type":"reject"}}],"transports":{{"{transport}":{{"{scope}":{rule}}}}}}}"#)
    };
    let whole = |transport: &str| rules(transport, "", accept);
    let file = packed.to_str().unwrap();
    for (number, (policy, from, admitted)) in [
        (whole("docker-archive"), "docker-archive:-", true),
        (whole("docker-archive"), "docker-archive:/dev/stdin:app:1", true),
        (whole("docker-archive"), "oci-archive:-", false),
        (
            whole("oci-archive"),
            "oci-archive:-:docker.io/library/app:1",
            true,
        ),
        (whole("oci-archive"), "docker-archive:-", false),
        (whole("oci"), "docker-archive:-", false),
        (whole("docker-archive"), "docker-archive:a.tar.gz", true),
        (whole("oci"), "docker-archive:a.tar.gz", false),
        (rules("oci-archive", file, accept), "oci-archive:a.tar.gz", true),
        (rules("oci-archive", file, accept), "oci-archive:-", false),
        (rules("docker-archive", "", signed), "docker-archive:-", false),
        (rules("oci-archive", file, signed), "oci-archive:a.tar.gz", false),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(sandbox.path("policy.json"), &policy).unwrap();
        let to = format!("oci:admitted{number}:x");
        let ended = piped(
            &sandbox,
            "copy",
            &["--policy", "policy.json", from, &to],
            tar.clone(),
        );
        if admitted {
            assert_eq!(ended.last_line(), digest(&images[0]), "{from} {policy}");
        } else {
            ended.fails(1, &["Source image rejected"]);
        }
        // To look at an image needs no rule, as for a file.
        let shown = piped(
            &sandbox,
            "inspect",
            &["--policy", "policy.json", from],
            tar.clone(),
        );
        assert!(shown.ok().contains(&digest(&images[0])), "{from}");
    }
}

/// The flag for Docker's old form, with which the example writes the bytes that the library writes.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_form_of_a_docker_archive_is_written_on_request() {
    use wharf::archive::{Writer, WriterForm, WriterOptions};
    let (sandbox, images, _) = sandbox();
    let from = "oci:images:localhost/app:1";
    let legacy = "--docker-archive-form=legacy";
    run(
        &sandbox,
        "copy",
        &[legacy, from, "docker-archive:copied.tar:localhost/app:1"],
    )
    .ok();
    let save = ["--store", "images", legacy, "-o", "saved.tar", "localhost/app:1"];
    run(&sandbox, "save", &save).ok();
    let options = WriterOptions::default().with_form(WriterForm::DockerLegacy);
    let writer = Writer::create_with(sandbox.path("written.tar"), options).await;
    let writer = std::sync::Arc::new(writer.unwrap());
    let client = wharf::Client::builder().build().unwrap();
    let stored = format!("oci:{}:localhost/app:1", sandbox.path("images").display());
    let name = wharf::Name::parse("localhost/app:1").unwrap();
    let options = wharf::Options::default().with_name(name);
    client.copy_into(&stored, &writer, options).await.unwrap();
    writer.finish().await.unwrap();
    let written = fs::read(sandbox.path("written.tar")).unwrap();
    for file in ["copied.tar", "saved.tar"] {
        assert!(fs::read(sandbox.path(file)).unwrap() == written, "{file}");
    }
    let manifest = json(&sandbox, "copied.tar", "manifest.json");
    assert_eq!(manifest[0]["RepoTags"][0], "localhost/app:1");
    let layer = std::path::Path::new(manifest[0]["Layers"][0].as_str().unwrap());
    assert_eq!(layer.extension().unwrap(), "tar");
    assert!(!member(&sandbox, "copied.tar", "repositories").is_empty());
    let names: Vec<String> = tar::Archive::new(&*written)
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(!names.iter().any(|name| name == "oci-layout"), "{names:?}");
    let shown = run(&sandbox, "inspect", &["--config", "docker-archive:copied.tar"]).ok();
    let config = run(&sandbox, "inspect", &["--config", from]).ok();
    assert_eq!(shown, config, "the image ID {} stays", id(&images[0]));

    // The default is the hybrid, by name too; an index has no place in the old form.
    run(
        &sandbox,
        "copy",
        &[
            "--docker-archive-form",
            "hybrid",
            from,
            "docker-archive:h.tar:app:1",
        ],
    )
    .ok();
    run(&sandbox, "copy", &[from, "docker-archive:d.tar:app:1"]).ok();
    assert!(fs::read(sandbox.path("h.tar")).unwrap() == fs::read(sandbox.path("d.tar")).unwrap());
    let index = "oci:images:localhost/both:1";
    run(
        &sandbox,
        "copy",
        &[legacy, "--all", index, "docker-archive:i.tar:app:1"],
    )
    .fails(1, &["index"]);
    for (arguments, part) in [
        (
            &[legacy, from, "oci-archive:x.tar:v1"][..],
            "is for a docker-archive",
        ),
        (
            &[legacy, from, "oci:x:v1"],
            "--docker-archive-form is for archives",
        ),
        (&["--replace", from, "dir:x"], "--replace is for archives"),
        (
            &["--docker-platform=linux/arm64", from, "oci:x:v1"],
            "--docker-platform is for archives",
        ),
    ] {
        run(&sandbox, "copy", arguments).fails(1, &[part]);
    }
    for (format, part) in [
        ("oci-archive", "is for a docker-archive"),
        ("oci-dir", "is for archives"),
    ] {
        let arguments = [
            "--store",
            "images",
            legacy,
            "--format",
            format,
            "-o",
            "x",
            "localhost/app:1",
        ];
        run(&sandbox, "save", &arguments).fails(1, &[part]);
    }
    assert!(!sandbox.path("x").exists() && !sandbox.path("x.tar").exists());
}

#[test]
fn a_reader_that_goes_away_ends_a_save_without_a_panic() {
    let (sandbox, ..) = sandbox();
    Image::builder()
        .noise(1, 4_000_000)
        .finish()
        .write_layout(&sandbox.path("big"), "x");
    for (name, arguments) in [
        ("save", &["--store", "big", "x"] as &[&str]),
        ("copy", &["oci:big:x", "docker-archive:-:app:1"]),
        ("copy", &["oci:big:x", "oci-archive:/dev/stdout"]),
    ] {
        let mut child = command(&sandbox, name, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let ended = Ended {
            code: output.status.code(),
            stdout: String::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        ended.fails(1, &["pipe"]);
    }
}

#[test]
fn no_archive_is_written_to_a_terminal_or_read_from_one() {
    require_peers!("script");
    let (sandbox, ..) = sandbox();
    for (name, arguments, part) in [
        (
            "save",
            "--store images localhost/app:1",
            "not written to a terminal",
        ),
        (
            "copy",
            "oci:images:localhost/app:1 docker-archive:-:app:1",
            "not written to a terminal",
        ),
        ("load", "--store back", "not read from a terminal"),
        ("copy", "docker-archive:- oci:back:x", "not read from a terminal"),
    ] {
        let program = crate::program::example(name);
        let line = format!("{} {arguments}", program.display());
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .current_dir(sandbox.path("."))
            .env("HOME", sandbox.home())
            .stdin(Stdio::null());
        let ended = ended(&mut script);
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        assert!(ended.stdout.contains(part), "{name}: {ended:?}");
    }
}

/// All members have the time that a reproducible build states.
#[test]
fn archives_have_the_time_of_the_build() {
    let (sandbox, ..) = sandbox();
    for (epoch, time) in [("", 0), ("1700000000", 1_700_000_000)] {
        for (number, arguments) in [
            ["oci:images:localhost/app:1", "docker-archive:a"],
            ["oci:images:localhost/app:1", "oci-archive:b"],
        ]
        .into_iter()
        .enumerate()
        {
            let (from, to) = (arguments[0], format!("{}{epoch}.tar", arguments[1]));
            let mut command = command(&sandbox, "copy", &[from, &to]);
            ended(command.env("SOURCE_DATE_EPOCH", epoch)).ok();
            let path = sandbox.path(format!("{}{epoch}.tar", ["a", "b"][number]));
            let mut archive = tar::Archive::new(File::open(path).unwrap());
            for entry in archive.entries().unwrap() {
                assert_eq!(entry.unwrap().header().mtime().unwrap(), time);
            }
        }
    }
    let mut command = command(
        &sandbox,
        "save",
        &["--store", "images", "-o", "x.tar", "localhost/app:1"],
    );
    ended(command.env("SOURCE_DATE_EPOCH", "yesterday")).fails(1, &["SOURCE_DATE_EPOCH", "yesterday"]);
}

#[test]
fn additional_tags_are_names_in_the_archive() {
    let (sandbox, ..) = sandbox();
    let copy = [
        "--additional-tag=app:2",
        "--additional-tag=quay.io/team/app:3",
        "oci:images:localhost/app:1",
        "docker-archive:a.tar:app:1",
    ];
    run(&sandbox, "copy", &copy).ok();
    assert_eq!(
        run(&sandbox, "tags", &["docker-archive:a.tar"]).ok(),
        "docker.io/library/app:1\ndocker.io/library/app:2\nquay.io/team/app:3\n"
    );
    let copy = [
        "--additional-tag=b",
        "oci:images:localhost/app:1",
        "oci-archive:b.tar:a",
    ];
    run(&sandbox, "copy", &copy).ok();
    run(&sandbox, "inspect", &["oci-archive:b.tar:b"]).ok();
    for (to, part) in [
        ("oci:images:x", "for archives"),
        ("dir:d", "for archives"),
        ("docker://127.0.0.1:1/a", "for archives"),
    ] {
        let copy = ["--additional-tag=b", "oci:images:localhost/app:1", to];
        run(&sandbox, "copy", &copy).fails(1, &[part]);
    }
    let copy = [
        "--additional-tag=App",
        "oci:images:localhost/app:1",
        "docker-archive:c.tar:a",
    ];
    run(&sandbox, "copy", &copy).fails(1, &["App"]);
}

#[test]
fn docker_sees_the_image_for_the_platform_that_is_named() {
    let (sandbox, _, both) = sandbox();
    for (flags, which) in [
        (&[] as &[&str], Some(0)),
        (&["--docker-platform=linux/s390x"], Some(1)),
        (&["--docker-platform=linux/riscv64"], None),
    ] {
        let file = format!("{}.tar", flags.len() + which.unwrap_or(7));
        let save = ["--all", "--store", "images", "-o", &file, "localhost/both:1"];
        let ended = run(&sandbox, "save", &[flags, &save].concat());
        let told = ended.stderr.contains("docker load does not see");
        assert_eq!(told, which.is_none(), "{ended:?}");
        ended.ok();
        let items = json(&sandbox, &file, "manifest.json");
        let config = items
            .as_array()
            .unwrap()
            .first()
            .map(|item| item["Config"].as_str().unwrap().to_owned());
        let expected = which.map(|which: usize| {
            let digest = both.images()[which].blobs()[0].0.digest().clone();
            format!("blobs/sha256/{}", digest.encoded())
        });
        assert_eq!(config, expected);
    }
}

#[test]
fn podman_and_skopeo_read_what_is_saved_and_the_other_way() {
    require_peers!("podman", "skopeo");
    let (sandbox, images, _) = sandbox();
    let several = ["-m", "--store", "images", "localhost/app:1", "localhost/tool:1"];
    into_file(&sandbox, "save", &several, "two.tar").ok();
    let path = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let podman = sandbox.podman();
    let loaded = podman.run(&["load", "-i", &path("two.tar")]).ok();
    assert_eq!(
        loaded,
        "Loaded image: localhost/app:1\nLoaded image: localhost/tool:1\n"
    );
    for (image, name) in images.iter().zip(["localhost/app:1", "localhost/tool:1"]) {
        let seen = podman
            .run(&["image", "inspect", "--format", "{{.Id}}", name])
            .ok();
        assert_eq!(format!("sha256:{}", seen.trim()), id(image));
    }
    let theirs = path("theirs.tar");
    podman
        .run(&["save", "-m", "-o", &theirs, "localhost/app:1", "localhost/tool:1"])
        .ok();
    let loaded = run(&sandbox, "load", &["-i", "theirs.tar", "--store", "theirs"]).ok();
    let mut loaded: Vec<&str> = loaded.lines().collect();
    loaded.sort_unstable();
    assert_eq!(
        loaded,
        ["Loaded image: localhost/app:1", "Loaded image: localhost/tool:1"]
    );
    for (format, output) in [
        ("oci-dir", "their-layout"),
        ("docker-dir", "their-dir"),
        ("oci-archive", "o.tar"),
    ] {
        podman
            .run(&["save", "--format", format, "-o", &path(output), "localhost/app:1"])
            .ok();
        run(&sandbox, "load", &["-i", output, "--store", "more"]).ok();
        let ours = format!("ours-{output}");
        let save = [
            "--store",
            "images",
            "--format",
            format,
            "-o",
            &ours,
            "localhost/app:1",
        ];
        run(&sandbox, "save", &save).ok();
        podman.run(&["load", "-i", &path(&ours)]).ok();
    }
    let names = sandbox
        .skopeo()
        .run(&["list-tags", &format!("docker-archive:{}", path("two.tar"))])
        .json();
    assert_eq!(
        names["Tags"],
        serde_json::json!(["localhost/app:1", "localhost/tool:1"])
    );
    assert_eq!(
        run(&sandbox, "tags", &["docker-archive:two.tar"]).ok(),
        "localhost/app:1\nlocalhost/tool:1\n"
    );
}
