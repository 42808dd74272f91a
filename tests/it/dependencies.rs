//! The dependency rules of ARCHITECTURE.md, asserted over `cargo metadata`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

/// The normal dependencies between packages, by name, as cargo resolves them with these arguments.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    fn of(arguments: &[&str]) -> Self {
        let platform = host();
        let metadata = [
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
            &platform,
        ];
        let text = cargo(&[&metadata, arguments].concat());
        let metadata: Value = serde_json::from_str(&text).expect("metadata is JSON");
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let names: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let dependencies = graph.entry(names[&text(&node["id"])].clone()).or_default();
            for dependency in list(&node["deps"]) {
                let normal = list(&dependency["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"].is_null());
                if normal {
                    dependencies.insert(names[&text(&dependency["pkg"])].clone());
                }
            }
        }
        Self(graph)
    }

    fn direct(&self, package: &str) -> &BTreeSet<String> {
        self.0
            .get(package)
            .unwrap_or_else(|| panic!("no package {package}"))
    }

    /// The crates of the family that depend on `package` directly.
    fn users(&self, package: &str) -> Vec<&String> {
        self.family()
            .filter(|name| self.direct(name).contains(package))
            .collect()
    }

    /// Everything `package` reaches.
    fn reached(&self, package: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![package.to_owned()];
        while let Some(next) = open.pop() {
            for dependency in self.direct(&next) {
                if reached.insert(dependency.clone()) {
                    open.push(dependency.clone());
                }
            }
        }
        reached
    }

    fn assert_no_path(&self, from: &[&str], to: &[&str]) {
        for package in from {
            let reached = self.reached(package);
            for target in to {
                assert!(!reached.contains(*target), "{package} must not reach {target}");
            }
        }
    }

    fn family(&self) -> impl Iterator<Item = &String> {
        self.0
            .keys()
            .filter(|name| *name == "wharf" || name.starts_with("wharf-"))
    }
}

/// The platform cargo builds for; the packages of others need not have been downloaded.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc prints UTF-8");
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host")
        .to_owned()
}

const EVERYTHING: &[&str] = &["--all-features"];

#[test]
fn reference_depends_on_nothing_but_optional_serde() {
    let reached = Graph::of(EVERYTHING).reached("wharf-reference");
    let serde: BTreeSet<String> = ["serde", "serde_core"].map(str::to_owned).into();
    assert!(reached.is_subset(&serde), "{reached:?}");
}

#[test]
fn content_knows_no_http_runtime_or_file_system() {
    Graph::of(EVERYTHING).assert_no_path(
        &["wharf-content"],
        &[
            "http", "hyper", "reqwest", "rustls", "tokio", "rustix", "tempfile",
        ],
    );
}

#[test]
fn store_copy_and_content_have_no_path_to_a_client_stack() {
    Graph::of(EVERYTHING).assert_no_path(
        &["wharf-store", "wharf-copy", "wharf-content"],
        &["reqwest", "hyper", "rustls"],
    );
}

#[test]
fn archive_has_no_path_to_a_network() {
    // Not in the graph of the workspace, where others want more features.
    let reached = tree(&["--package=wharf-archive", "--all-features"]);
    assert!(reached.contains_key("wharf-archive"));
    for target in [
        "http",
        "hyper",
        "reqwest",
        "rustls",
        "wharf-http",
        "wharf-auth",
        "wharf-config",
        "wharf-distribution",
    ] {
        assert!(
            !reached.contains_key(target),
            "wharf-archive must not reach {target}"
        );
    }
}

#[test]
fn layers_are_read_without_a_runtime_or_a_network() {
    // Not in the graph of the workspace, where others want more of the crates below.
    let reached = tree(&["--package=wharf-layer", "--all-features"]);
    for target in [
        "tokio",
        "http",
        "hyper",
        "reqwest",
        "rustls",
        "wharf-http",
        "wharf-auth",
        "wharf-config",
        "wharf-distribution",
        "wharf-store",
        "wharf-copy",
    ] {
        assert!(
            !reached.contains_key(target),
            "wharf-layer must not reach {target}"
        );
    }
    // An archive is read and written with what the family has anyway; each codec brings itself.
    let family = tree(&["--package=wharf-content"]);
    for (features, expected) in [
        ("", [].as_slice()),
        ("gzip", &["zlib-rs"]),
        ("zstd", &["zstd", "zstd-safe", "zstd-sys"]),
        ("apply", &["bitflags", "linux-raw-sys", "rustix"]),
    ] {
        let brought = tree(&[
            "--package=wharf-layer",
            "--no-default-features",
            "--features",
            features,
        ]);
        let added: Vec<&String> = brought
            .keys()
            .filter(|name| *name != "wharf-layer" && !family.contains_key(*name))
            .collect();
        assert_eq!(added, expected, "{features}");
    }
    assert!(!tree(&["--package=wharf"]).contains_key("wharf-layer"));
}

#[test]
fn image_has_no_path_to_a_client_stack_or_to_archives() {
    Graph::of(EVERYTHING).assert_no_path(
        &["wharf-image"],
        &[
            "reqwest",
            "hyper",
            "rustls",
            "wharf-auth",
            "wharf-config",
            "wharf-distribution",
            "wharf-store",
            "wharf-copy",
            "wharf-archive",
        ],
    );
    Graph::of(EVERYTHING).assert_no_path(&["wharf-copy", "wharf-content"], &["wharf-image"]);
}

#[test]
fn auth_has_no_path_to_what_uses_it() {
    Graph::of(EVERYTHING).assert_no_path(
        &["wharf-auth"],
        &["wharf-distribution", "wharf-content", "wharf-config"],
    );
}

#[test]
fn config_reads_files_without_an_http_stack() {
    Graph::of(EVERYTHING).assert_no_path(&["wharf-config"], &["wharf-content", "wharf-distribution"]);
}

#[test]
fn trust_judges_without_a_network() {
    // Not in the graph of the workspace, where others want the client half of `wharf-auth`.
    let reached = tree(&["--package=wharf-trust", "--all-features"]);
    for target in [
        "tokio",
        "http",
        "hyper",
        "reqwest",
        "wharf-http",
        "wharf-distribution",
        "wharf-copy",
        "wharf-store",
    ] {
        assert!(
            !reached.contains_key(target),
            "wharf-trust must not reach {target}"
        );
    }
}

#[test]
fn nothing_but_the_facade_depends_on_trust() {
    let graph = Graph::of(EVERYTHING);
    assert_eq!(graph.users("wharf-trust"), ["wharf"]);
}

/// Judging signatures costs a program this many crates at most, and nothing if it does not want that.
#[test]
fn trust_is_on_and_adds_few_crates() {
    let without = tree(&["--package=wharf", "--no-default-features"]);
    let with = tree(&["--package=wharf"]);
    let added: Vec<&String> = with.keys().filter(|name| !without.contains_key(*name)).collect();
    assert!(added.len() <= 7, "{added:?}");
    assert!(with.contains_key("wharf-trust"));
    for package in ["wharf-trust", "saphyr-parser", "miniz_oxide"] {
        assert!(
            !without.contains_key(package),
            "{package} is brought without the feature"
        );
    }
}

/// RSA in Rust alone leaks its keys by timing (RUSTSEC-2023-0071).
#[test]
fn no_crate_brings_rsa() {
    let graph = Graph::of(EVERYTHING);
    for package in graph.family() {
        assert!(!graph.reached(package).contains("rsa"), "{package}");
    }
}

#[test]
fn reqwest_is_named_in_one_crate() {
    let graph = Graph::of(EVERYTHING);
    assert_eq!(graph.users("reqwest"), ["wharf-http"]);
}

#[test]
fn reqwest_is_named_in_one_module() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/http/src");
    let named = lines_of(&source, &["reqwest::"]);
    assert!(!named.is_empty());
    let elsewhere: Vec<&String> = named
        .iter()
        .filter(|line| !line.starts_with("reqwest_adapter/"))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[test]
fn files_of_a_store_are_opened_and_named_by_fs_alone() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let calls = [
        "File::open(",
        "File::create(",
        "OpenOptions",
        "fs::rename(",
        "fs::remove_",
        "fs::create_dir",
        "fs::hard_link(",
        "fs::read_dir(",
        "fs::read(",
        "fs::write(",
    ];
    assert!(!lines_of(&crates.join("fs/src"), &calls).is_empty());
    let elsewhere = lines_of(&crates.join("store/src"), &calls);
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[test]
fn fs_depends_on_rustix_alone() {
    let graph = Graph::of(EVERYTHING);
    let rustix: BTreeSet<String> = ["rustix"].map(str::to_owned).into();
    assert!(graph.direct("wharf-fs").is_subset(&rustix));
}

/// The lines of code, without comments and tests, that have one of these texts: `path: line`.
fn lines_of(directory: &Path, wanted: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).expect("a directory of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("sources are text");
            let code = text.split("mod tests {").next().unwrap_or_default();
            let relative = path.strip_prefix(directory).expect("below the directory");
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            for line in code
                .lines()
                .map(str::trim_start)
                .filter(|line| !line.starts_with("//"))
            {
                if wanted.iter().any(|text| line.contains(text)) {
                    found.push(format!("{}: {line}", parts.join("/")));
                }
            }
        }
    }
    found
}

#[test]
fn nothing_depends_on_the_facade_or_the_testkit() {
    let graph = Graph::of(EVERYTHING);
    for package in graph.family() {
        let direct = graph.direct(package);
        assert!(
            !direct.contains("wharf"),
            "{package} must not depend on the facade"
        );
        assert!(
            !direct.contains("wharf-testkit"),
            "{package} must use the testkit in tests alone"
        );
    }
}

#[test]
fn registry_never_uses_distribution() {
    Graph::of(EVERYTHING).assert_no_path(&["wharf-registry"], &["wharf-distribution", "wharf-http"]);
}

#[test]
fn the_database_of_a_registry_is_a_satellite() {
    let graph = Graph::of(EVERYTHING);
    graph.assert_no_path(
        &["wharf-registry-object"],
        &["wharf-distribution", "openssl-sys", "native-tls", "aws-lc-sys"],
    );
    assert_eq!(graph.users("tokio-postgres"), ["wharf-registry-object"]);
    assert_eq!(graph.users("object_store"), ["wharf-registry-object"]);
    assert!(graph.users("wharf-registry-object").is_empty());
}

/// Clouds are reached by the family's own HTTP, so that there is one policy of TLS and of proxies; a directory needs none.
#[test]
fn object_stores_bring_http_only_with_a_cloud() {
    let reached = tree(&["--package=wharf-registry-object"]);
    for package in ["wharf-http", "reqwest", "hyper", "quick-xml"] {
        assert!(
            !reached.contains_key(package),
            "{package} is brought without a cloud"
        );
    }
    for cloud in ["aws", "azure", "gcp"] {
        let with = tree(&["--package=wharf-registry-object", "--features", cloud]);
        assert!(with.contains_key("wharf-http"), "{cloud}");
        assert!(!with.contains_key("aws-lc-rs"), "{cloud}");
    }
}

#[test]
fn webhooks_of_a_registry_are_a_satellite() {
    let graph = Graph::of(EVERYTHING);
    graph.assert_no_path(
        &["wharf-registry-webhook"],
        &["wharf-distribution", "tokio-postgres"],
    );
    assert!(graph.users("wharf-registry-webhook").is_empty());
    assert!(!tree(&["--package=wharf"]).contains_key("wharf-registry-webhook"));
}

#[test]
fn registry_keeps_its_content_in_a_store() {
    let graph = Graph::of(EVERYTHING);
    let direct = graph.direct("wharf-registry");
    let family: Vec<&String> = graph.family().filter(|name| direct.contains(*name)).collect();
    assert_eq!(
        family,
        ["wharf-content", "wharf-fs", "wharf-reference", "wharf-store"]
    );
}

/// The most crates that depending on the facade may bring, counted as `cargo tree -e normal` does on this platform.
const MOST_CRATES: usize = 130;

#[test]
fn the_facade_brings_few_crates_and_none_twice() {
    let versions = tree(&["--package=wharf"]);
    assert!(versions.contains_key("wharf"));
    let twice: Vec<_> = versions.iter().filter(|(_, known)| known.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(
        versions.len() <= MOST_CRATES,
        "{} crates: {:?}",
        versions.len(),
        versions.keys()
    );
}

/// The most crates that the feature `sign` may add to the facade.
const MOST_CRATES_OF_SIGN: usize = 10;

#[test]
fn signing_adds_few_crates_and_none_twice() {
    let without = tree(&["--package=wharf"]);
    let versions = tree(&["--package=wharf", "--features=sign"]);
    let twice: Vec<_> = versions.iter().filter(|(_, known)| known.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let added: Vec<_> = versions
        .keys()
        .filter(|name| !without.contains_key(*name))
        .collect();
    assert!((1..=MOST_CRATES_OF_SIGN).contains(&added.len()), "{added:?}");
}

#[test]
fn sync_adds_two_crates() {
    let default = tree(&["--package=wharf"]);
    let all = tree(&["--package=wharf", "--features=sync"]);
    let added = all.into_keys().filter(|name| !default.contains_key(name));
    assert_eq!(added.collect::<Vec<_>>(), ["regex-lite", "semver"]);
}

#[test]
fn images_are_changed_with_few_crates_and_none_by_default() {
    let default = tree(&["--package=wharf"]);
    let added = |features: &str| {
        let all = tree(&["--package=wharf", features]);
        let added = all.into_keys().filter(|name| !default.contains_key(name));
        added.collect::<Vec<_>>()
    };
    assert_eq!(
        added("--features=images"),
        ["wharf-image", "wharf-layer", "zlib-rs"]
    );
    assert_eq!(
        added("--features=daemon"), // those of archives: an HTTP client is there anyway
        added("--features=archive")
    );
    assert_eq!(
        added("--features=zstd"),
        [
            "wharf-image",
            "wharf-layer",
            "zlib-rs",
            "zstd",
            "zstd-safe",
            "zstd-sys"
        ]
    );
}

/// The crates that a package brings, with their versions, as `cargo tree -e normal` counts them on this platform.
fn tree(arguments: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let tree = [
        "tree",
        "--locked",
        "--edges=normal",
        "--prefix=none",
        "--format={p}",
    ];
    let text = cargo(&[&tree, arguments].concat());
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace().map(str::to_owned);
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    versions
}

/// The output of cargo.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}
