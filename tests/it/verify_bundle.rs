//! The example `verify-bundle`, called as sigstore's conformance suite calls a client.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wharf_testkit::{
    Sandbox,
    corpora::{self, ConformanceCase},
    sha256,
};

use crate::program::{Ended, run};

/// Cases of the suite that the corpus has; the others are not in it.
const CASES: usize = 53;

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// Calls the program for a case, with this in the artifact's place.
fn call(sandbox: &Sandbox, case: &ConformanceCase, artifact: &str) -> Ended {
    let mut arguments = vec!["--bundle", text(&case.bundle)];
    match &case.key {
        Some(key) => arguments.extend(["--key", text(key)]),
        None => arguments.extend([
            "--certificate-identity",
            &case.identity,
            "--certificate-oidc-issuer",
            &case.issuer,
        ]),
    }
    arguments.extend(["--trusted-root", text(&case.root), artifact]);
    run(sandbox, "verify-bundle", &arguments)
}

/// Checks that the program accepts or refuses, each with its own code and nothing on standard output.
fn assert_ends(ended: &Ended, accepts: bool, name: &str) {
    assert_eq!(ended.code, Some(i32::from(!accepts)), "{name}: {ended:?}");
    assert_eq!(ended.stdout, "", "{name}");
    assert_eq!(ended.stderr.is_empty(), accepts, "{name}: {ended:?}");
}

#[test]
fn the_program_ends_as_the_conformance_suite_wants() {
    let Some(cases) = corpora::conformance() else {
        return;
    };
    let sandbox = Sandbox::new();
    for case in &cases {
        let ended = call(&sandbox, case, text(&case.artifact));
        assert_ends(&ended, case.is_good, &case.name);
        // A digest in the artifact's place is enough for an envelope, and for nothing else.
        let digest = sha256(&fs::read(&case.artifact).unwrap()).to_string();
        let ended = call(&sandbox, case, &digest);
        assert_ends(
            &ended,
            case.is_good && case.is_envelope(),
            &format!("{} by digest", case.name),
        );
    }
    assert_eq!(cases.len(), CASES);
}

/// A golden bundle of the trust crate.
fn golden(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crates/trust/tests/golden/bundles");
    text(&folder.join(name)).to_owned()
}

#[test]
fn who_signed_is_demanded_by_a_key_or_an_identity_with_a_root() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("a.txt"), "image a").unwrap();
    fs::write(sandbox.path("b.txt"), "image b").unwrap();
    fs::write(sandbox.path("huge.json"), vec![b' '; (4 << 20) + 1]).unwrap();
    let digest = sha256(b"image a").to_string();
    let (by_key, by_name, root) = (
        golden("key-a.json"),
        golden("certificate-log-a.json"),
        golden("trusted_root.json"),
    );
    let key = golden("key.pub");
    let ada = [
        "--certificate-identity",
        "https://example.com/ada",
        "--certificate-oidc-issuer",
        "https://accounts.example",
    ];
    let eve = [ada[0], "https://example.com/eve", ada[2], ada[3]];
    let with = |signer: &[&str], bundle: &str, rest: &[&str]| {
        run(
            &sandbox,
            "verify-bundle",
            &[signer, &["--bundle", bundle], rest].concat(),
        )
    };
    let key = ["--key", &key];
    for (signer, bundle, rest) in [
        (&key as &[&str], &by_key, &["a.txt"] as &[&str]),
        (&key, &by_key, &[&digest]),
        (&ada, &by_name, &["--trusted-root", &root, "a.txt"]),
        (&ada, &by_name, &["--staging", "--trusted-root", &root, &digest]),
        (
            &key,
            &golden("key-log-a.json"),
            &["--trusted-root", &root, "a.txt"],
        ),
        (&key, &golden("key-message.json"), &["a.txt"]),
    ] {
        let ended = with(signer, bundle, rest);
        assert_ends(&ended, true, &format!("{bundle} {rest:?}"));
    }
    for (signer, bundle, rest, part) in [
        (&key as &[&str], &by_key, &["b.txt"] as &[&str], "other content"),
        (&key, &by_key, &["--trusted-root", &root, "a.txt"], "no log"),
        (&key, &by_name, &["a.txt"], "signed with a certificate"),
        (
            &ada,
            &by_key,
            &["--trusted-root", &root, "a.txt"],
            "signed with a key",
        ),
        (
            &eve,
            &by_name,
            &["--trusted-root", &root, "a.txt"],
            "https://example.com/ada",
        ),
        (&ada, &by_name, &["a.txt"], "--trusted-root"),
        (&ada, &by_name, &["--staging", "a.txt"], "staging"),
        (
            &ada,
            &by_name,
            &["--trusted-root", &by_name, "a.txt"],
            "the trusted root",
        ),
        (
            &ada,
            &by_name,
            &["--trusted-root", "typo", "a.txt"],
            "typo cannot be read",
        ),
        (&["--key", &root], &by_key, &["a.txt"], "the key"),
        (&["--key", "typo"], &by_key, &["a.txt"], "typo cannot be read"),
        (&key, &"typo".to_owned(), &["a.txt"], "typo cannot be read"),
        (&key, &"huge.json".to_owned(), &["a.txt"], "larger than 4 MiB"),
        (&key, &by_key, &["typo"], "typo cannot be read"),
        (&key, &by_key, &["."], "cannot be read"),
        (
            &key,
            &by_key,
            &["sha256:7d865e959b2466918c9863afca942d0f"],
            "is no digest",
        ),
        (
            &key,
            &golden("key-message.json"),
            &[&digest],
            "the artifact itself is needed",
        ),
    ] {
        let ended = with(signer, bundle, rest);
        assert!(ended.stdout.is_empty());
        ended.fails(1, &[part]);
    }
}

#[test]
fn neither_both_or_half_a_signer_is_wrong_usage() {
    let (sandbox, bundle, key) = (Sandbox::new(), golden("key-a.json"), golden("key.pub"));
    let name = ["--certificate-identity", "https://example.com/ada"];
    let issuer = ["--certificate-oidc-issuer", "https://accounts.example"];
    let key = ["--key", &key];
    for signer in [
        &[] as &[&[&str]],
        &[&name],
        &[&issuer],
        &[&key, &name, &issuer],
        &[&key, &issuer],
    ] {
        let arguments = [&signer.concat(), &["--bundle", &bundle, "a.txt"] as &[&str]].concat();
        run(&sandbox, "verify-bundle", &arguments).fails(2, &["Usage"]);
    }
}
