//! The flags of `skopeo copy`: each is accepted by the example `copy`, or refused by name with a reason.

use wharf_testkit::{Image, Sandbox, require_peers};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path, path_regex},
};

use crate::program::run;

/// The flags that are refused, with a part of the reason.
const REFUSED: [(&str, &str); 12] = [
    ("debug", "nothing is logged"),
    ("decryption-key", "not decrypted"),
    ("dest-shared-blob-dir", "not supported"),
    ("encrypt-layer", "not encrypted"),
    ("encryption-key", "not encrypted"),
    ("override-arch", "--platform"),
    ("override-os", "--platform"),
    ("override-variant", "--platform"),
    ("sign-by-sigstore", "--sign-by-sigstore-private-key"),
    ("sign-by-sq-fingerprint", "--sign-by"),
    ("src-shared-blob-dir", "not supported"),
    ("tmpdir", "TMPDIR"),
];

/// The flags of Skopeo 1.22 that older versions do not have, and the global ones.
const NEWER: [&str; 14] = [
    "command-timeout",
    "debug",
    "dest-force-compress-format",
    "image-parallel-copies",
    "insecure-policy",
    "override-arch",
    "override-os",
    "override-variant",
    "policy",
    "registries.d",
    "retry-delay",
    "sign-by-sigstore",
    "sign-by-sq-fingerprint",
    "tmpdir",
];

/// The arguments that give a flag a value that it takes.
fn arguments(flag: &str) -> Vec<String> {
    let value = match flag {
        "additional-tag" => "app:2",
        "authfile"
        | "src-authfile"
        | "dest-authfile"
        | "sign-by-sigstore-private-key"
        | "sign-passphrase-file" => "auth.json",
        "cert-dir" | "src-cert-dir" | "dest-cert-dir" | "registries.d" => "empty",
        "command-timeout" | "retry-delay" => "10s",
        "decryption-key"
        | "encryption-key"
        | "src-shared-blob-dir"
        | "dest-shared-blob-dir"
        | "tmpdir"
        | "sign-by"
        | "sign-by-sigstore"
        | "sign-by-sq-fingerprint"
        | "digestfile" => "file",
        "dest-compress-format" => "gzip",
        "dest-compress-level" => {
            return vec![
                "--dest-compress-format=gzip".into(),
                "--dest-compress-level=3".into(),
            ];
        }
        "dest-force-compress-format" => {
            return vec![
                "--dest-compress-format=gzip".into(),
                "--dest-force-compress-format".into(),
            ];
        }
        "creds" | "src-creds" | "dest-creds" => "ada:secret",
        "src-username" | "src-password" => {
            return vec!["--src-username=ada".into(), "--src-password=x".into()];
        }
        "dest-username" | "dest-password" => {
            return vec!["--dest-username=ada".into(), "--dest-password=x".into()];
        }
        "src-registry-token" | "dest-registry-token" => "token",
        "src-daemon-host" | "dest-daemon-host" => "unix:///nowhere",
        "encrypt-layer" => "0",
        "format" => "oci",
        "image-parallel-copies" | "retry-times" => "2",
        "multi-arch" => "all",
        "override-arch" | "override-os" | "override-variant" => "arm",
        "policy" => "policy.json",
        "sign-identity" => "quay.io/a/b:1",
        _ => return vec![format!("--{flag}")],
    };
    vec![format!("--{flag}={value}")]
}

#[test]
fn every_flag_of_skopeo_copy_is_accepted_or_refused_with_a_reason() {
    require_peers!("skopeo");
    let sandbox = Sandbox::new();
    sandbox.write("auth.json", "{}");
    sandbox.write(
        "policy.json",
        r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
    );
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    let help = sandbox.skopeo().run(&["copy", "--help"]).ok();
    let listed = help.lines().filter_map(|line| {
        let (_, flag) = line.trim_start().split_once("--")?;
        let starts_so = line.trim_start().starts_with('-');
        starts_so.then(|| flag.split_whitespace().next().unwrap_or_default().to_owned())
    });
    let mut flags: Vec<String> = listed.chain(NEWER.map(str::to_owned)).collect();
    flags.sort();
    flags.dedup();
    assert!(flags.len() > 45, "{flags:?}");
    for flag in flags.iter().filter(|flag| *flag != "help") {
        let given = arguments(flag);
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let ended = run(
            &sandbox,
            "copy",
            &[&given, &["oci:nowhere:x", "docker-archive:x.tar:a"][..]].concat(),
        );
        assert!(!ended.stderr.contains("unexpected argument"), "{flag}: {ended:?}");
        match REFUSED.iter().find(|(refused, _)| refused == flag) {
            Some((_, reason)) => ended.fails(2, &[&format!("--{flag}"), reason]),
            None => assert!(matches!(ended.code, Some(1 | 3)), "{flag}: {ended:?}"),
        }
    }
    for short in ["-a", "-q", "-f=oci"] {
        run(&sandbox, "copy", &[short, "oci:nowhere:x", "dir:x"]).fails(3, &["nowhere"]);
    }
}

#[test]
fn a_side_has_its_own_files_logins_and_none() {
    let sandbox = Sandbox::new();
    sandbox.write("auth.json", "{}");
    let ends = ["docker://127.0.0.1:1/a", "docker://127.0.0.1:1/b"];
    let rows: [(&[&str], i32, &[&str]); 9] = [
        (&["--src-authfile=typo"], 1, &["--src-authfile", "typo"]),
        (&["--dest-authfile=typo"], 1, &["--dest-authfile", "typo"]),
        (&["--dest-cert-dir=typo"], 1, &["--dest-cert-dir", "typo"]),
        (&["--src-no-creds", "--src-creds=a:b"], 2, &["--src-no-creds"]),
        (&["--src-username=ada"], 2, &["--src-password"]),
        (&["--dest-password=x"], 2, &["--dest-username"]),
        (
            &["--src-registry-token=x", "--src-username=a", "--src-password=b"],
            2,
            &["--src-registry-token"],
        ),
        (
            &["--src-no-creds", "--dest-registry-token=x"],
            1,
            &["127.0.0.1:1"],
        ),
        (
            &["--src-authfile=auth.json", "--dest-no-creds"],
            1,
            &["127.0.0.1:1"],
        ),
    ];
    for (flags, code, parts) in rows {
        run(&sandbox, "copy", &[flags, &ends].concat()).fails(code, parts);
    }
}

#[test]
fn an_index_is_copied_alone() {
    let sandbox = Sandbox::new();
    let index = wharf_testkit::Index::of(vec![Image::small("one")]);
    index.write_layout(&sandbox.path("l"), "x");
    let copied = run(&sandbox, "copy", &["--multi-arch=index-only", "oci:l:x", "dir:d"]);
    assert_eq!(copied.last_line(), index.manifest().digest().as_str());
    let mut files: Vec<_> = std::fs::read_dir(sandbox.path("d"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["manifest.json", "version"]);
    let changed = ["--multi-arch=index-only", "--format=v2s2", "oci:l:x", "dir:e"];
    run(&sandbox, "copy", &changed).fails(1, &["together with its images"]);
}

/// A registry with all blobs of an image that takes manifests of one type alone.
async fn registry(image: &Image, taken: &str, status: u16, code: &str) -> MockServer {
    let server = MockServer::start().await;
    let on = |verb: &str| Mock::given(method(verb));
    on("GET")
        .and(path("/v2/"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    for (descriptor, _) in image.blobs() {
        let blob = ResponseTemplate::new(200).append_header("Content-Length", descriptor.size().to_string());
        let at = path(format!("/v2/app/blobs/{}", descriptor.digest()));
        on("HEAD").and(at).respond_with(blob).mount(&server).await;
    }
    let manifests = || path_regex("/v2/app/manifests/");
    let created = ResponseTemplate::new(201);
    on("PUT")
        .and(manifests())
        .and(header("Content-Type", taken))
        .respond_with(created)
        .mount(&server)
        .await;
    let error = serde_json::json!({ "errors": [{ "code": code, "message": "Invalid JSON syntax" }] });
    let refusal = ResponseTemplate::new(status).set_body_json(error);
    on("PUT")
        .and(manifests())
        .respond_with(refusal)
        .mount(&server)
        .await;
    server
}

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

#[tokio::test(flavor = "multi_thread")]
async fn a_type_of_manifest_that_a_registry_refuses_is_changed_once_where_none_was_asked_for() {
    let sandbox = Sandbox::new();
    let image = Image::builder().files(&[("etc/motd", b"hello")]).finish();
    image.write_layout(&sandbox.path("oci"), "x");
    run(&sandbox, "copy", &["--format=v2s2", "oci:oci:x", "oci:docker:x"]).ok();
    for (from, taken, status, code, flags, ok) in [
        ("oci", DOCKER, 400, "MANIFEST_INVALID", &[] as &[&str], true),
        ("oci", DOCKER, 400, "TAG_INVALID", &[], true),
        ("oci", DOCKER, 405, "UNSUPPORTED", &[], true),
        ("oci", DOCKER, 415, "OTHER", &[], true),
        ("docker", OCI, 400, "MANIFEST_INVALID", &[], true),
        ("oci", DOCKER, 400, "MANIFEST_INVALID", &["--format=v2s2"], true),
        (
            "oci",
            DOCKER,
            400,
            "MANIFEST_INVALID",
            &["--preserve-digests"],
            false,
        ),
        ("oci", DOCKER, 400, "MANIFEST_INVALID", &["--format=oci"], false),
        ("oci", DOCKER, 400, "NAME_INVALID", &[], false),
        ("oci", "none", 400, "MANIFEST_INVALID", &[], false),
    ] {
        let server = registry(&image, taken, status, code).await;
        let (from, to) = (
            format!("oci:{from}:x"),
            format!("docker://{}/app:1", server.address()),
        );
        let ended = run(
            &sandbox,
            "copy",
            &[flags, &["--tls-verify=false", "--retry=0", &from, &to]].concat(),
        );
        let puts = server.received_requests().await.unwrap();
        let puts = puts
            .iter()
            .filter(|request| request.method.as_str() == "PUT")
            .count();
        assert_eq!(
            ended.code == Some(0),
            ok,
            "{from} {status} {code} {flags:?}: {ended:?}"
        );
        let told = ended.stderr.contains("refuses the image's type of manifest");
        assert_eq!(told, ok && flags.is_empty(), "{ended:?}");
        assert!(puts <= 2, "{from} {code} {flags:?}: {puts}");
    }
}
