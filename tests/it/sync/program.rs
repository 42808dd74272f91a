//! The example `sync`.

use std::fs;

use wharf_registry::Registry;
use wharf_testkit::{Image, Sandbox};

use crate::program::run;

/// A layout with two names, and a registry over plain http.
async fn sandbox() -> (Sandbox, wharf_registry::Server) {
    let (sandbox, server) = (Sandbox::new(), Registry::memory().serve().await.unwrap());
    for name in ["app:1", "app:2"] {
        Image::small(name).write_layout(&sandbox.path(name), "any");
    }
    (sandbox, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeos_flags_have_their_meaning() {
    let (sandbox, server) = sandbox().await;
    let host = server.registry().to_string();
    for name in ["app:1", "app:2"] {
        let (from, to) = (
            format!("oci:{}", sandbox.path(name).display()),
            format!("docker://{host}/src/{name}"),
        );
        // The directory's name has a colon, which ends the path of the transport.
        let from = from.replace(name, "plain");
        fs::rename(sandbox.path(name), sandbox.path("plain")).unwrap();
        run(
            &sandbox,
            "copy",
            &["--quiet", "--all", "--tls-verify=false", &from, &to],
        )
        .ok();
        fs::remove_dir_all(sandbox.path("plain")).unwrap();
    }
    let source = format!("{host}/src/app");
    let flags = ["--src", "docker", "--dest", "dir", "--all", "--tls-verify=false"];
    let with =
        |more: &[&str]| -> Vec<String> { flags.iter().chain(more).map(|flag| (*flag).to_owned()).collect() };
    let sync = |more: &[&str]| {
        let arguments = with(more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(&sandbox, "sync", &arguments)
    };
    let dry = sync(&["--dry-run", &source, "out"]).ok();
    assert!(dry.contains("2 would be copied"), "{dry}");
    assert!(!sandbox.path("out").exists());
    let done = sync(&["--digestfile", "digests", &source, "out"]).ok();
    assert!(done.contains("2 copied, 0 already there, 0 failed"), "{done}");
    let expected =
        ["app:1", "app:2"].map(|name| format!("{} dir:out/{name}\n", Image::small(name).manifest().digest()));
    assert_eq!(
        fs::read_to_string(sandbox.path("digests")).unwrap(),
        expected.concat()
    );
    let again = sync(&["--digestfile", "digests", &source, "out"]).ok();
    assert!(again.contains("0 copied, 2 already there"), "{again}");
    assert_eq!(
        fs::read_to_string(sandbox.path("digests")).unwrap(),
        expected.concat()
    );

    sync(&["--digestfile", "no/such/digests", &source, "early"])
        .fails(1, &["nothing was copied", "no/such/digests"]);
    assert!(!sandbox.path("early").exists());

    sync(&["--scoped", "--append-suffix=-x", &source, "scoped"]).ok();
    assert!(
        sandbox
            .path(format!("scoped/{host}/src/app:2-x/manifest.json"))
            .exists()
    );
    sync(&[&format!("{host}/src/absent"), "out"]).fails(3, &["absent"]);
    sync(&[&format!("{host}/src/App"), "out"]).fails(1, &["invalid reference"]);

    sandbox.write(
        "set.yaml",
        format!(
            "{host}:\n  tls-verify: false\n  images:\n    src/app: ['0', '1', '3']\n    src/absent: []\n"
        ),
    );
    let yaml = ["--src=yaml", "--dest=oci", "--keep-going", "set.yaml", "kept"];
    let kept = run(&sandbox, "sync", &yaml);
    assert!(sandbox.path("kept/index.json").exists());
    for part in [
        "src/app:0 was not copied",
        "src/app:3 was not copied",
        "src/absent was not copied",
    ] {
        assert!(kept.stderr.contains(part), "{}", kept.stderr);
    }
    kept.fails(3, &["3 failures in the synchronisation of 3 images"]);
    sync(&["--prune", &source, "out"]).fails(1, &["is not pruned"]);
    run(&sandbox, "sync", &["--src", "ostree", "--dest", "dir", "a", "b"]).fails(2, &["ostree"]);
    run(&sandbox, "sync", &["a", "b"]).fails(2, &["--src"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_read_as_go_reads_it_and_mistakes_have_a_position() {
    let (sandbox, server) = sandbox().await;
    let host = server.registry().to_string();
    Image::small("app").write_layout(&sandbox.path("plain"), "any");
    for tag in ["1.10", "1.1", "true", "0x1"] {
        let to = format!("docker://{host}/app:{tag}");
        run(
            &sandbox,
            "copy",
            &["--quiet", "--tls-verify=false", "oci:plain", &to],
        )
        .ok();
    }
    let sync = |document: &str| {
        sandbox.write("set.yaml", document);
        run(
            &sandbox,
            "sync",
            &["--src=yaml", "--dest=dir", "--dry-run", "set.yaml", "out"],
        )
    };
    let text = format!(
        "# the set\n{host}:\n  tls-verify: no\n  images:\n    app: [1.10, \"1.1\", true, 0x1]\n  credentials:\n    \
         username: ada\n    password: 12345\n"
    );
    let planned = sync(&text).ok();
    assert!(planned.contains("4 would be copied"), "{planned}");
    for (document, part) in [
        (
            format!("{host}:\n  tls-verify: never\n"),
            "set.yaml: line 2, column 15: expected true or false",
        ),
        (
            "r.example:\n  image: {}\n".to_owned(),
            "line 2, column 3: unknown field `image`",
        ),
        (
            "r.example:\n  images:\n    a: []\n    a: []\n".to_owned(),
            "line 4, column 5",
        ),
        (
            "r.example:\n  images:\n    a: {b: c}\n".to_owned(),
            "line 3, column 8",
        ),
        (
            "r.example: &x {}\n".to_owned(),
            "anchors, aliases and tags are not read",
        ),
        ("a: 1\n--- \nb: 2\n".to_owned(), "more than one document"),
        ("r.example: [\n".to_owned(), "set.yaml: line"),
        (String::new(), "the document is empty"),
        (
            "r.example:\n  images-by-semver:\n    a: newest\n".to_owned(),
            "line 3, column 8: malformed constraint",
        ),
        (
            format!("r.example: {}", "[".repeat(40)),
            "more than 32 values in each other",
        ),
    ] {
        sync(&document).fails(1, &[part]);
    }
    sync("r.example:\n").fails(3, &["the set has no image"]);
    if cfg!(unix) {
        let endless = ["--src=yaml", "--dest=dir", "/dev/zero", "out"];
        run(&sandbox, "sync", &endless).fails(1, &["/dev/zero: larger than"]);
    }
    let said = sync("r.example:\n  credentials:\n    username: a\n    passwords: hunter2\n");
    assert!(!said.stderr.contains("hunter2"), "{said:?}");
    run(
        &sandbox,
        "sync",
        &["--src=yaml", "--dest=dir", "none.yaml", "out"],
    )
    .fails(3, &["cannot read none.yaml"]);
}
