//! Events of a pull, and the platform of an index.

use std::sync::{Arc, Mutex};

use wharf::{
    ErrorKind, Event, IndexBuilder, Manifest, Name, Outcome, Platform, SinkExt as _, Totals,
    artifact::{ArtifactContent, ArtifactPullOptions},
};
use wharf_testkit::Sandbox;

use super::{Peer, example, files, media_type, tree};

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_reports_each_content_from_its_start_to_its_end() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    let large = vec![7; 3_000_000];
    let content = |bytes: Vec<u8>, title: &str| {
        ArtifactContent::bytes(bytes, media_type("text/plain")).with_title(title)
    };
    let artifact = example()
        .with_content(content(large, "large"))
        .with_content(content(b"small".to_vec(), "a/small"));
    let name = peer.name("team/app:1");
    peer.client.push_artifact(artifact, &name).await.unwrap();
    let (events, totals) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(Mutex::new(Totals::new())),
    );
    let (seen, sums) = (Arc::clone(&events), Arc::clone(&totals));
    let options = ArtifactPullOptions::default().with_progress(move |event| {
        sums.lock().unwrap().add(&event);
        let line = match event {
            Event::Resolved { .. } => "resolved".to_owned(),
            Event::Planned { count, bytes } => format!("planned {count} {bytes}"),
            Event::Started { descriptor } => format!("started {}", descriptor.size()),
            Event::Advanced { .. } => return,
            Event::Finished { descriptor, outcome } => {
                assert_eq!(outcome, Outcome::Copied);
                format!("finished {}", descriptor.size())
            }
            other => panic!("{other:?}"),
        };
        seen.lock().unwrap().push(line);
    });
    let pulled = peer
        .client
        .pull_artifact_with(&name, sandbox.path("to"), options)
        .await
        .unwrap();
    assert_eq!(pulled.files.len(), 2);
    let mut events = events.lock().unwrap().clone();
    assert_eq!(events[..2], ["resolved", "planned 2 3000005"]);
    events[2..].sort_unstable();
    assert_eq!(
        events[2..],
        ["finished 3000000", "finished 5", "started 3000000", "started 5"]
    );
    assert_eq!(totals.lock().unwrap().done(), 3_000_005);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_index_the_artifact_for_the_platform_is_pulled() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    let mut manifests: Vec<Manifest> = Vec::new();
    let platforms = [Platform::new("linux", "amd64"), Platform::new("linux", "arm64")];
    for platform in &platforms {
        let text =
            ArtifactContent::bytes(platform.to_string(), media_type("text/plain")).with_title("platform");
        let name = peer.name(&format!("team/app:{}", platform.architecture));
        peer.client
            .push_artifact(example().with_content(text), &name)
            .await
            .unwrap();
        manifests.push(peer.client.manifest(&name).await.unwrap());
    }
    let entries = manifests.iter().zip(&platforms);
    let entries =
        entries.map(|(manifest, platform)| manifest.descriptor().clone().with_platform(platform.clone()));
    let index = entries
        .fold(IndexBuilder::new(), IndexBuilder::with_manifest)
        .build()
        .unwrap();
    let name = peer.name("team/app:all");
    let repository = wharf::Repository::parse(&peer.name("team/app")).unwrap();
    let remote = peer.client.distribution().remote(&repository);
    remote
        .push_image(&index, Some(&Name::parse("all").unwrap()))
        .await
        .unwrap();
    for platform in platforms {
        let to = sandbox.path(&platform.architecture);
        let text = platform.to_string();
        let options = ArtifactPullOptions::default().with_platform(platform);
        peer.client.pull_artifact_with(&name, &to, options).await.unwrap();
        assert_eq!(tree(&to), files(&[("platform", &text)]));
    }
    let options = ArtifactPullOptions::default().with_platform(Platform::new("linux", "s390x"));
    let error = peer
        .client
        .pull_artifact_with(&name, sandbox.path("none"), options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}
