//! Test data of other projects: where it is looked for, and what is said where it is missing.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use wharf_testkit::corpora;

/// Names the corpus that a child of this test looks for.
const WANTED: &str = "WHARF_TEST_CORPUS";

/// The part of the child: it prints what it finds.
#[test]
fn the_corpus_that_a_variable_names_is_looked_for() {
    if let Ok(name) = env::var(WANTED) {
        println!("found: {:?}", corpora::folder(&name));
    }
}

/// Looks for a corpus in a process of its own, whose environment names this directory of corpora.
fn look_for(name: &str, corpora: Option<&Path>) -> Output {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args([
        "--exact",
        "corpora::the_corpus_that_a_variable_names_is_looked_for",
        "--nocapture",
    ]);
    child.env(WANTED, name).env_remove("WHARF_CORPORA");
    if let Some(corpora) = corpora {
        child.env("WHARF_CORPORA", corpora);
    }
    child.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_corpus_that_is_missing_is_skipped_with_a_message() {
    let ended = look_for("no-such-corpus", None);
    assert!(ended.status.success(), "{ended:?}");
    assert!(text(&ended.stdout).contains("found: None\n"), "{ended:?}");
    assert_eq!(
        text(&ended.stderr),
        "skipped: there is no corpus no-such-corpus; name its parent in WHARF_CORPORA\n"
    );
}

#[test]
fn a_corpus_that_is_missing_where_the_environment_says_fails_the_test() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("here")).unwrap();
    fs::write(directory.path().join("file"), "no directory").unwrap();
    let ended = look_for("here", Some(directory.path()));
    assert!(ended.status.success(), "{ended:?}");
    let found = format!("found: Some({:?})\n", directory.path().join("here"));
    assert!(text(&ended.stdout).contains(&found), "{ended:?}");
    // Nothing else is tried: the names of real corpora, which may be beside the checkout, are missing here as well.
    for (name, corpora) in [
        ("no-such-corpus", directory.path().to_owned()),
        ("file", directory.path().to_owned()),
        ("signature-fixtures", directory.path().to_owned()),
        ("sigstore-conformance", directory.path().join("here")),
        ("here", directory.path().join("missing")),
        ("here", Path::new("").to_owned()),
    ] {
        let ended = look_for(name, Some(&corpora));
        assert!(!ended.status.success(), "{name}: {ended:?}");
        let said = format!(
            "WHARF_CORPORA has no corpus {name}: {}",
            corpora.join(name).display()
        );
        assert!(text(&ended.stderr).contains(&said), "{ended:?}");
        assert!(!text(&ended.stdout).contains("found: "), "{ended:?}");
    }
}
