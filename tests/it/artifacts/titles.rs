//! Hostile titles: nothing outside the directory changes.

use std::fs;

use wharf::{ErrorKind, artifact::ArtifactPullOptions};
use wharf_testkit::Sandbox;

use super::{Peer, files, tree};

fn both() -> [ArtifactPullOptions; 2] {
    [false, true].map(|replace| ArtifactPullOptions::default().with_replace(replace))
}

/// The file names of an artifact were joined with the directory: CVE-2021-21272.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2021_21272_titles_that_lead_out_are_refused_before_anything_is_written() {
    let peer = Peer::new().await;
    let long = "n".repeat(300);
    let table = [
        ("absolute", "/tmp/wharf-escaped", ErrorKind::Invalid),
        ("absolute2", "//escaped", ErrorKind::Invalid),
        ("up", "../escaped", ErrorKind::Invalid),
        ("up-later", "a/../../escaped", ErrorKind::Invalid),
        ("up-inside", "a/../escaped", ErrorKind::Invalid),
        ("up-alone", "..", ErrorKind::Invalid),
        ("dot", ".", ErrorKind::Invalid),
        ("empty", "", ErrorKind::Invalid),
        ("nul", "a\0b", ErrorKind::Invalid),
        ("long", &long, ErrorKind::Invalid),
        ("twice", "fine", ErrorKind::Conflict),
        ("twice-dot", "./fine", ErrorKind::Conflict),
        ("below-file", "fine/escaped", ErrorKind::Conflict),
    ];
    for (tag, title, kind) in table {
        let sandbox = Sandbox::new();
        peer.push_titles(tag, &["fine", title]).await;
        for options in both() {
            let pulled = peer
                .client
                .pull_artifact_with(
                    peer.name(&format!("team/app:{tag}")),
                    sandbox.path("area/to"),
                    options,
                )
                .await;
            assert_eq!(pulled.unwrap_err().kind(), kind, "{title:?}");
            let area = sandbox.path("area");
            assert!(!area.exists() || tree(&area).is_empty(), "{title:?}");
        }
    }
}

/// A chain of symbolic links led a title out of the directory: CVE-2026-50162.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn cve_2026_50162_titles_lead_through_no_symbolic_link() {
    use std::os::unix::fs::symlink;

    let peer = Peer::new().await;
    let titles = ["link/file", "chain/file", "deep/link/file", "inner/file"];
    for (number, title) in titles.into_iter().enumerate() {
        let tag = number.to_string();
        peer.push_titles(&tag, &["fine", title]).await;
        for options in both() {
            let sandbox = Sandbox::new();
            let to = sandbox.path("to");
            fs::create_dir_all(sandbox.path("outside")).unwrap();
            fs::create_dir_all(to.join("deep")).unwrap();
            fs::create_dir_all(to.join("own")).unwrap();
            symlink("../outside", to.join("link")).unwrap();
            symlink("link", to.join("chain")).unwrap();
            symlink(sandbox.path("outside"), to.join("deep/link")).unwrap();
            symlink("own", to.join("inner")).unwrap();
            let before = tree(&to);
            let name = peer.name(&format!("team/app:{tag}"));
            let pulled = peer.client.pull_artifact_with(name, &to, options).await;
            assert_eq!(pulled.unwrap_err().kind(), ErrorKind::Invalid, "{title}");
            assert_eq!(tree(&to), before, "{title}");
            assert!(tree(&sandbox.path("outside")).is_empty(), "{title}");
        }
    }
}

/// A link that has the name of a file led the writing to another one: CVE-2026-50163.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn cve_2026_50163_a_link_in_the_place_of_a_file_is_replaced_and_never_written_through() {
    let peer = Peer::new().await;
    peer.push_titles("1", &["soft", "hard", "dangling"]).await;
    let sandbox = Sandbox::new();
    let to = sandbox.path("to");
    sandbox.write("outside/soft", "mine");
    sandbox.write("outside/hard", "mine");
    fs::create_dir(&to).unwrap();
    std::os::unix::fs::symlink("../outside/soft", to.join("soft")).unwrap();
    std::os::unix::fs::symlink("../outside/new", to.join("dangling")).unwrap();
    fs::hard_link(sandbox.path("outside/hard"), to.join("hard")).unwrap();
    let [keep, replace] = both();
    let name = peer.name("team/app:1");
    let error = peer.client.pull_artifact_with(&name, &to, keep).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
    peer.client.pull_artifact_with(&name, &to, replace).await.unwrap();
    let expected = [
        ("soft", "content 0"),
        ("hard", "content 1"),
        ("dangling", "content 2"),
    ];
    assert_eq!(tree(&to), files(&expected));
    let outside = files(&[("soft", "mine"), ("hard", "mine")]);
    assert_eq!(tree(&sandbox.path("outside")), outside);
}
