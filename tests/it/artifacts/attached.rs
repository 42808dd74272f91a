//! Artifacts that refer to others.

use wharf::{
    ErrorKind, ImageBuilder, Platform,
    artifact::{Artifact, ArtifactContent},
};
use wharf_registry::{Quirk, Registry};
use wharf_testkit::Sandbox;

use super::{Peer, media_type, tree};

const SPDX: &str = "application/spdx+json";
const NOTE: &str = "text/markdown";

fn of(kind: &str, text: &'static str) -> Artifact {
    Artifact::new(media_type(kind))
        .with_content(ArtifactContent::bytes(text, media_type(kind)).with_title("file"))
        .with_annotation("com.example.text", text)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_is_listed_by_its_type_and_pulled_by_its_digest() {
    let registries = [
        Registry::memory(),
        Registry::memory().with_quirk(Quirk::NoReferrers),
        Registry::memory().with_quirk(Quirk::NoReferrersFilter),
    ];
    for registry in registries {
        let peer = Peer::serving(registry).await;
        let name = peer.name("team/app:1");
        let image = ImageBuilder::for_platform(Platform::host())
            .with_tar(b"tar".as_slice())
            .build()
            .unwrap();
        peer.client.push_image(&image, &name).await.unwrap();
        assert!(peer.client.referrers(&name, None).await.unwrap().is_empty());
        let sbom = peer.client.attach(of(SPDX, "{}"), &name).await.unwrap();
        let note = peer.client.attach(of(NOTE, "# Note"), &name).await.unwrap();
        let all = peer.client.referrers(&name, None).await.unwrap();
        assert_eq!(all.len(), 2);
        let kind = media_type(SPDX);
        let listed = peer.client.referrers(&name, Some(&kind)).await.unwrap();
        let [entry] = listed.as_slice() else {
            panic!("{listed:?}")
        };
        assert_eq!(entry.digest(), sbom.digest());
        assert_eq!(entry.artifact_type(), Some(&kind));
        assert_eq!(entry.annotations()["com.example.text"], "{}");
        let sandbox = Sandbox::new();
        let at = peer.name(&format!("team/app@{}", note.digest()));
        let pulled = peer.client.pull_artifact(at, sandbox.path("to")).await.unwrap();
        let subject = pulled.manifest.subject().unwrap();
        assert_eq!(subject.digest(), image.digest());
        assert_eq!(tree(&sandbox.path("to")).len(), 1);
        let tags = peer.client.tags(&name).await.unwrap();
        let named = tags.iter().filter(|tag| !tag.as_str().starts_with("sha256-"));
        assert_eq!(named.count(), 1, "an attached artifact has no tag: {tags:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_attached_to_what_is_not_there() {
    let peer = Peer::new().await;
    let name = peer.name("team/app:1");
    let attached = peer.client.attach(of(NOTE, "x"), &name).await;
    assert_eq!(attached.unwrap_err().kind(), ErrorKind::NotFound);
    let listed = peer.client.referrers(&name, None).await;
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::NotFound);
}
