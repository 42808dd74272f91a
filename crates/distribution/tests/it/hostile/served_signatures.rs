//! Signatures of manifests that came from different candidates.

use std::sync::Arc;

use wharf_config::{Registries, SignatureStores};
use wharf_content::{Hasher, Manifest, Target, Wanted};
use wharf_distribution::Remote;
use wharf_reference::Algorithm;
use wharf_testkit::{
    Image, Index,
    hostile::{Answer, Match, Origin},
};

use super::{
    scene::{Scene, tag},
    signatures::{kinds, message, serve},
};

/// A mirror, the lookaside stores of mirror and registry, and the repository, read as this entry of registries.conf says.
struct Mirrored {
    scene: Scene,
    mirror: Origin,
    remote: Remote,
}

impl Mirrored {
    /// The mirror has signatures "1", and the registry "2".
    async fn new(entry: &str) -> Self {
        let scene = Scene::new().await;
        let mirror = scene.stage.origin("mirror.test").await;
        for (name, number) in [("m.test", 1), ("r.test", 2)] {
            let store = scene.stage.origin(name).await;
            serve(&store, &[(1, Answer::ok(message(number)))]);
        }
        let registries = format!(
            "[[registry]]\nlocation = 'registry.example.test'\n\
             [[registry.mirror]]\nlocation = 'mirror.test'\n{entry}\n"
        );
        let stores = "docker:\n  mirror.test: {lookaside: 'https://m.test/sigs'}\n\
                      \x20 registry.example.test: {lookaside: 'https://r.test/sigs'}\n";
        let client = scene
            .builder()
            .with_resolve(Arc::new(Registries::parse(&registries).unwrap()))
            .with_signature_locations(SignatureStores::parse(stores).unwrap())
            .build()
            .unwrap();
        let remote = scene.remote_of(&client);
        Self {
            scene,
            mirror,
            remote,
        }
    }

    /// The signatures of a manifest, which are looked for by its sha256 digest.
    async fn signatures(&self, manifest: &Manifest) -> String {
        let digest = Hasher::sha256(manifest.bytes());
        kinds(&self.remote.signatures(&digest, Wanted::SIMPLE).await.unwrap())
    }

    async fn read(&self, target: impl Into<Target>) -> Manifest {
        self.remote.manifest(&target.into()).await.unwrap()
    }
}

/// An index and its image may come from different candidates: a mirror that is for tags alone, or lacks the image.
#[tokio::test]
async fn an_index_and_its_image_have_signatures_where_each_came_from() {
    for (entry, mirror_has_image) in [("pull-from-mirror = 'tag-only'", true), ("", false)] {
        let mirrored = Mirrored::new(entry).await;
        let index = Index::of(vec![Image::small("one")]);
        let image = index.images()[0].manifest();
        mirrored.mirror.serve_manifest("team/app", "v1", index.manifest());
        if mirror_has_image {
            mirrored.mirror.serve_manifest("team/app", "image", image);
        }
        let registry = &mirrored.scene.registry;
        registry.serve_manifest("team/app", "image", image);
        let read = mirrored.read(tag("v1")).await;
        assert_eq!(read.digest(), index.manifest().digest());
        assert_eq!(mirrored.signatures(&read).await, "1");
        mirrored.read(image.digest().clone()).await;
        assert_eq!(mirrored.signatures(image).await, "2", "{entry}");
        assert_eq!(mirrored.signatures(&read).await, "1", "{entry}");
        // What was never read here, as it was at the destination: where the last answer came from.
        let never = Image::small("never read");
        assert_eq!(mirrored.signatures(never.manifest()).await, "2");
        mirrored.read(tag("v1")).await;
        assert_eq!(mirrored.signatures(never.manifest()).await, "1");
        assert_eq!(mirrored.signatures(image).await, "2");
    }
}

/// By whatever digest a manifest is known, its signatures are those of its sha256 digest.
#[tokio::test]
async fn a_manifest_of_another_digest_has_signatures_where_it_came_from() {
    let mirrored = Mirrored::new("").await;
    let (pinned, other) = (Image::small("pinned"), Image::small("other"));
    let bytes = pinned.manifest().bytes();
    let sha512 = Hasher::digest(Algorithm::Sha512, bytes).unwrap();
    let answer = Answer::ok(bytes.clone()).header("Content-Type", pinned.manifest().media_type().as_str());
    let path = format!("/v2/team/app/manifests/{sha512}");
    mirrored.mirror.on(Match::read(&path), answer);
    mirrored
        .scene
        .registry
        .serve_manifest("team/app", "other", other.manifest());
    let read = mirrored.read(sha512.clone()).await;
    assert_eq!(*read.digest(), sha512);
    assert_eq!(mirrored.signatures(&read).await, "1");
    mirrored.read(tag("other")).await;
    assert_eq!(mirrored.signatures(other.manifest()).await, "2");
    assert_eq!(mirrored.signatures(&read).await, "1");
}
