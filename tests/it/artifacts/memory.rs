//! The memory of a process does not grow with the files of an artifact.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use futures_util::stream;
use wharf::{
    Client,
    artifact::{ArtifactContent, ArtifactPullOptions},
};
use wharf_testkit::Sandbox;

use super::{Peer, example, media_type};

const CASE: &str = "WHARF_TEST_ARTIFACT";
const REGISTRY: &str = "WHARF_TEST_ARTIFACT_REGISTRY";
const DIRECTORY: &str = "WHARF_TEST_ARTIFACT_DIRECTORY";

const LIMIT_MIB: u64 = 64;
/// The size of each file.
const MIB: usize = 96;

/// What a process does, one after the other.
const CASES: [&str; 5] = [
    "a file is pushed",
    "a stream is pushed",
    "a directory is pushed",
    "a file is pulled",
    "a directory is pulled and unpacked",
];

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_whatever_the_size_of_an_artifact() {
    let peer = Peer::new().await; // in this process, which is not measured
    let sandbox = Sandbox::new();
    let directory = sandbox.path("in");
    fs::create_dir(&directory).unwrap();
    write_large(&directory.join("large"));
    for case in CASES {
        let mut child = Command::new(env::current_exe().unwrap());
        child
            .args([
                "--exact",
                "--ignored",
                "--nocapture",
                "artifacts::memory::child_does_one_case",
            ])
            .env(CASE, case)
            .env(REGISTRY, peer.server.registry().to_string())
            .env(DIRECTORY, sandbox.path(""));
        let ended = tokio::task::spawn_blocking(move || child.output().unwrap());
        let ended = ended.await.unwrap();
        let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{case}: {stdout}{stderr}");
        let peak = stdout.lines().find_map(|line| line.strip_prefix("peak "));
        let peak: u64 = peak
            .unwrap_or_else(|| panic!("{case}: {stdout}"))
            .parse()
            .unwrap();
        println!("{case}: {peak} KiB");
        assert!(
            peak < LIMIT_MIB * 1024,
            "{case}: {peak} KiB, and {LIMIT_MIB} MiB are allowed"
        );
    }
    for pulled in ["file/large", "directory/in/large"] {
        let size = fs::metadata(sandbox.path(pulled)).unwrap().len();
        assert_eq!(size, (MIB << 20) as u64, "{pulled}");
    }
}

/// Not a test of its own: the process that is measured.
#[tokio::test]
#[ignore = "started by the other test as a process of its own"]
async fn child_does_one_case() {
    let Ok(case) = env::var(CASE) else { return };
    let registry = env::var(REGISTRY).unwrap();
    let directory = PathBuf::from(env::var(DIRECTORY).unwrap());
    let client = Client::builder().with_plain_http(&registry).build().unwrap();
    let name = |name: &str| format!("{registry}/team/{name}:1");
    let binary = || media_type("application/octet-stream");
    let large = directory.join("in/large");
    match case.as_str() {
        "a file is pushed" => {
            let artifact = example().with_file(&large, binary());
            client.push_artifact(artifact, name("file")).await.unwrap();
        }
        "a stream is pushed" => {
            let part = Bytes::from(mebibyte());
            let parts = (0..MIB).map(move |_| Ok(part.clone()));
            let content = ArtifactContent::stream(Box::pin(stream::iter(parts)), binary());
            let artifact = example().with_content(content.with_title("streamed"));
            client.push_artifact(artifact, name("stream")).await.unwrap();
        }
        "a directory is pushed" => {
            let content = ArtifactContent::directory(directory.join("in"));
            let artifact = example().with_content(content);
            client.push_artifact(artifact, name("directory")).await.unwrap();
        }
        "a file is pulled" => {
            client
                .pull_artifact(name("file"), directory.join("file"))
                .await
                .unwrap();
        }
        "a directory is pulled and unpacked" => {
            let options = ArtifactPullOptions::default().with_unpack(true);
            let to = directory.join("directory");
            client
                .pull_artifact_with(name("directory"), to, options)
                .await
                .unwrap();
        }
        other => panic!("no case {other}"),
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().next());
    println!("peak {}", peak.unwrap());
}

/// A mebibyte that no compression makes smaller.
fn mebibyte() -> Vec<u8> {
    wharf_testkit::noise(7, 1 << 20)
}

fn write_large(path: &Path) {
    let part = mebibyte();
    let mut file = File::create(path).unwrap();
    (0..MIB).for_each(|_| file.write_all(&part).unwrap());
}
