//! Directories, packed and unpacked as ORAS does.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use wharf::{
    ErrorKind, Hasher,
    artifact::{ArtifactContent, ArtifactPullOptions},
    layer::tar::{Member, Writer},
};
use wharf_testkit::Sandbox;

use super::{Peer, TITLE, example, files, tree};

const UNPACK: &str = "io.deis.oras.content.unpack";
const DIGEST: &str = "io.deis.oras.content.digest";

fn unpacking() -> ArtifactPullOptions {
    ArtifactPullOptions::default().with_unpack(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_comes_back_with_its_modes_and_links() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    sandbox.write("in/tree/sub/file", "1");
    sandbox.write("in/tree/run", "#!");
    fs::set_permissions(sandbox.path("in/tree/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../run", sandbox.path("in/tree/sub/link")).unwrap();
    let artifact = || {
        let other = ArtifactContent::directory(sandbox.path("in/tree/sub")).with_title("a/sub");
        example()
            .with_content(ArtifactContent::directory(sandbox.path("in/tree")))
            .with_content(other)
    };
    let name = peer.name("team/app:1");
    fs::remove_file(sandbox.path("in/tree/sub/link")).unwrap();
    let first = peer.client.push_artifact(artifact(), &name).await.unwrap();
    let again = peer.client.push_artifact(artifact(), &name).await.unwrap();
    assert_eq!(first.digest(), again.digest());
    let manifest = peer.client.manifest(&name).await.unwrap();
    let layer = &manifest.layers()[0];
    assert_eq!(
        layer.media_type().as_str(),
        "application/vnd.oci.image.layer.v1.tar+gzip"
    );
    assert_eq!(layer.annotations()[UNPACK], "true");
    assert_eq!(layer.annotations()[TITLE], "tree");

    symlink("../run", sandbox.path("in/tree/sub/link")).unwrap();
    let whole = example().with_content(ArtifactContent::directory(sandbox.path("in/tree")));
    peer.client.push_artifact(whole, &name).await.unwrap();
    let manifest = peer.client.manifest(&name).await.unwrap();
    let packed = peer.client.blob(&name, &manifest.layers()[0]).await.unwrap();
    let packed = packed.read_to_end(1 << 20).await.unwrap();
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*packed), &mut tar).unwrap();
    let stated = &manifest.layers()[0].annotations()[DIGEST];
    assert_eq!(*stated, Hasher::sha256(&tar).to_string());

    let to = sandbox.path("to");
    peer.client
        .pull_artifact_with(&name, &to, unpacking())
        .await
        .unwrap();
    let expected = [
        ("tree/sub/file", "1"),
        ("tree/run", "#!"),
        ("tree/sub/link", "../run"),
    ];
    assert_eq!(tree(&to), files(&expected));
    let mode = fs::metadata(to.join("tree/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    let taken = peer
        .client
        .pull_artifact_with(&name, &to, unpacking().with_replace(true))
        .await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(tree(&to), files(&expected));

    peer.client
        .pull_artifact(&name, sandbox.path("kept"))
        .await
        .unwrap();
    assert_eq!(
        fs::read(sandbox.path("kept/tree")).unwrap(),
        packed,
        "not asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_whiteouts_are_those_of_files_in_a_directory() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    let names = [
        "d/.wh.kept",
        "d/kept",
        "d/.wh..wh..opq",
        "d/.wh..wh.plnk",
        "d/.wh.e/f",
    ];
    for name in names {
        sandbox.write(&format!("in/{name}"), "1");
    }
    let name = peer.name("team/app:whiteouts");
    let artifact = example().with_content(ArtifactContent::directory(sandbox.path("in/d")));
    peer.client.push_artifact(artifact, &name).await.unwrap();
    let to = sandbox.path("to");
    let pulled = peer.client.pull_artifact_with(&name, &to, unpacking()).await;
    pulled.unwrap();
    assert_eq!(tree(&to), files(&names.map(|name| (name, "1"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_directories_are_refused_and_leave_nothing() {
    let peer = Peer::new().await;
    let file = |name: &str| (Member::file(name, 1).unwrap(), "x");
    let link = |name: &str, target: &str| (Member::symlink(name, target).unwrap(), "");
    let hard = |name: &str, target: &str| (Member::hard_link(name, target).unwrap(), "");
    let table = [
        vec![file("d/fine"), file("beside")],
        vec![file("other/x")],
        vec![file("d")],
        vec![],
        vec![link("d", "/etc")],
        vec![file("d/fine"), link("d/out", "/etc/passwd")],
        vec![file("d/fine"), link("d/out", "../outside")],
        // A chain of links of which each stays inside by its text: CVE-2026-50162.
        vec![link("d/a/b", "."), link("d/e", "a/b/../.."), file("d/fine")],
        vec![link("d/up", "../outside"), file("d/up/escaped")],
        // A hard link to a file of the working directory: CVE-2026-50163.
        vec![file("d/fine"), hard("d/hard", "outside/mine")],
        vec![file("d/fine"), hard("d/hard", "Cargo.toml")],
    ];
    for (number, members) in table.into_iter().enumerate() {
        let mut writer = Writer::new();
        let mut tar = Vec::new();
        for (member, content) in members {
            tar.extend_from_slice(&writer.member(&member).unwrap());
            writer.content(content.len()).unwrap();
            tar.extend_from_slice(content.as_bytes());
            tar.extend_from_slice(writer.end_member().unwrap());
        }
        tar.extend_from_slice(writer.finish().unwrap());
        refused(&peer, &format!("t{number}"), &tar, Hasher::sha256(&tar).as_ref()).await;
    }
    let mut tar = Vec::new();
    tar.extend_from_slice(Writer::new().finish().unwrap());
    refused(&peer, "other-digest", &tar, Hasher::sha256(b"other").as_ref()).await;
    refused(&peer, "no-digest", &tar, "x").await;
}

async fn refused(peer: &Peer, tag: &str, tar: &[u8], digest: &str) {
    let sandbox = Sandbox::new();
    sandbox.write("outside/mine", "mine");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(tar).unwrap();
    let annotations = BTreeMap::from([(TITLE, "d"), (UNPACK, "true"), (DIGEST, digest)]);
    peer.push_layers(tag, &[(gzip.finish().unwrap(), annotations)])
        .await;
    let name = peer.name(&format!("team/app:{tag}"));
    let to = sandbox.path("to");
    let pulled = peer.client.pull_artifact_with(name, &to, unpacking()).await;
    assert!(pulled.is_err(), "{tag}");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0, "{tag}");
    assert_eq!(
        tree(&sandbox.path("outside")),
        files(&[("mine", "mine")]),
        "{tag}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_that_cannot_be_packed_are_named() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    sandbox.write("file", "1");
    sandbox.write("out/x", "1");
    symlink("../file", sandbox.path("out/link")).unwrap();
    for (path, kind) in [
        ("missing", ErrorKind::NotFound),
        ("file", ErrorKind::Invalid),
        ("out", ErrorKind::Invalid),
    ] {
        let artifact = example().with_content(ArtifactContent::directory(sandbox.path(path)));
        let pushed = peer.client.push_artifact(artifact, peer.name("team/app:1")).await;
        let error = pushed.unwrap_err();
        assert_eq!(error.kind(), kind, "{path}");
        assert!(error.to_string().contains(path), "{error}");
    }
}
