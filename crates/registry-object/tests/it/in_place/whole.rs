//! From Docker's registry to this one and back: nothing that it has stored is changed.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use wharf_registry::{Redirects, Registry};
use wharf_registry_object::{FsckFinding, FsckOptions};

use super::{Stage, ask, assert_served, blob_path, docker, kinds, push_blob, sha256, thorough};
use crate::stores::Kind;

/// A layer of several chunks.
fn large() -> Vec<u8> {
    (0..700_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_of_docker_registry_are_served_where_they_are_and_are_there_byte_for_byte_when_all_is_deleted()
{
    for kind in kinds() {
        let stage = Stage::new(kind);
        let docker = &stage.docker;
        let large = large();
        let one = docker.push_image("lib/app", "one", &[b"first", &large]).await;
        let two = docker.push_image("lib/app", "two", &[b"first", b"second"]).await;
        let both = docker::index(&[&one, &two]);
        docker
            .push_manifest("lib/app", "both", docker::INDEX, &both)
            .await;
        docker.push_image("other", "one", &[b"first"]).await;
        let before = docker.objects().await;

        let registry = stage.registry().await;
        assert_eq!(stage.see("SELECT max(oldest) FROM schema_versions"), "1");
        let (report, skipped) = stage.import(&registry, false).await;
        assert_eq!(skipped, Vec::<String>::new(), "{kind:?}");
        // The layers and configs of lib/app, of which other gets two from there.
        assert_eq!(
            (report.repositories, report.blobs, report.in_place, report.tags),
            (2, 6, 4, 4)
        );
        assert!(report.bytes < 10_000, "{report:?}");
        assert_eq!(
            stage.see("SELECT count(*) FROM contents WHERE objects <> '{}'"),
            "0"
        );
        assert_eq!(
            stage.see("SELECT max(oldest) FROM schema_versions"),
            "2",
            "the release before cannot read it"
        );

        let other = stage.registry().await;
        for process in [&registry, &other] {
            for tag in ["one", "two", "both"] {
                let path = format!("/v2/lib/app/manifests/{tag}");
                assert_served(process, &path, &docker.get(&path).await).await;
            }
            for blob in [b"{}".as_slice(), b"first", b"second", &large] {
                let path = blob_path("lib/app", blob);
                assert_served(process, &path, &docker.get(&path).await).await;
            }
        }
        assert_served(&other, &blob_path("other", b"first"), b"first").await;

        // What is there in place is mounted and pushed without another copy.
        let mount = format!("/v2/new/blobs/uploads/?mount={}&from=lib/app", sha256(&large));
        assert_eq!(
            ask(&registry, Method::POST, &mount, b"").await.0,
            StatusCode::CREATED
        );
        push_blob(&registry, "pushed", b"second").await;
        assert_served(&other, &blob_path("new", &large), &large).await;
        assert_served(&other, &blob_path("pushed", b"second"), b"second").await;
        assert_eq!(
            stage.see("SELECT count(*) FROM contents WHERE objects <> '{}'"),
            "0"
        );
        let (checked, found) = stage.fsck(&thorough()).await;
        assert_eq!((found, checked.external), (Vec::new(), 4));

        // Another import takes what has come.
        docker.push_image("lib/app", "three", &[b"first", b"third"]).await;
        let (report, skipped) = stage.import(&registry, true).await;
        assert_eq!(skipped, Vec::<String>::new());
        assert_eq!(
            (report.manifests, report.blobs, report.in_place, report.tags),
            (1, 1, 1, 1)
        );
        assert_served(&other, &blob_path("lib/app", b"third"), b"third").await;
        let (idle, _) = stage.import(&registry, false).await;
        assert_eq!((idle.manifests, idle.blobs, idle.bytes, idle.tags), (0, 0, 0, 0));
        let during = docker.objects().await;

        // Deleted and collected here, everything is there.
        delete_all(&registry).await;
        stage.collect().await;
        assert_eq!(stage.see("SELECT count(*) FROM contents"), "0");
        let after = docker.objects().await;
        assert_eq!(
            after.keys().collect::<Vec<_>>(),
            during.keys().collect::<Vec<_>>()
        );
        assert_eq!(after, during);
        for (key, bytes) in before {
            assert_eq!(after.get(&key), Some(&bytes), "{key}");
        }
        let path = blob_path("lib/app", &large);
        assert_eq!(docker.get(&path).await, large, "docker-registry serves it");
        // And it can be imported again.
        let (report, skipped) = stage.import(&registry, false).await;
        assert_eq!((report.in_place, skipped), (5, Vec::new()));
        assert_served(&other, &blob_path("lib/app", &large), &large).await;
    }
}

/// Deletes every manifest.
async fn delete_all(registry: &Registry) {
    for repository in ["lib/app", "other"] {
        let mut digests = BTreeSet::new();
        for tag in ["one", "two", "three", "both"] {
            let path = format!("/v2/{repository}/manifests/{tag}");
            let (status, headers, _) = ask(registry, Method::HEAD, &path, b"").await;
            if status == StatusCode::OK {
                let digest = headers["docker-content-digest"].to_str().expect("text");
                digests.insert(digest.to_owned());
            }
        }
        for digest in digests {
            let path = format!("/v2/{repository}/manifests/{digest}");
            let deleted = ask(registry, Method::DELETE, &path, b"").await;
            assert_eq!(deleted.0, StatusCode::ACCEPTED, "{path}");
        }
    }
}

/// The ways in which what is in place may be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Gone,
    Shorter,
    Longer,
    OtherBytes,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_that_is_damaged_in_place_is_told_is_no_wrong_answer_and_is_healed_by_a_push() {
    for kind in kinds() {
        let stage = Stage::new(kind);
        let docker = &stage.docker;
        let registry = stage.registry().await;
        let all = [Damage::Gone, Damage::Shorter, Damage::Longer, Damage::OtherBytes];
        // A bucket is damaged as a directory is.
        let damages = if kind == Kind::Directory {
            &all[..]
        } else {
            &all[..1]
        };
        for damage in damages {
            let damage = *damage;
            let layer = format!("{damage:?} layer").into_bytes();
            docker
                .push_image("lib/app", &format!("{damage:?}"), &[&layer])
                .await;
            let (_, skipped) = stage.import(&registry, true).await;
            assert_eq!(skipped, Vec::<String>::new(), "{damage:?}");
            let (other, longer) = (vec![b'x'; layer.len()], [layer.as_slice(), b"more"].concat());
            let bytes = match damage {
                Damage::Gone => None,
                Damage::Shorter => layer.get(1..),
                Damage::Longer => Some(longer.as_slice()),
                Damage::OtherBytes => Some(other.as_slice()),
            };
            docker.damage(&layer, bytes).await;
            let told = format!("{kind:?} {damage:?}");
            let key = docker.key(&layer);

            let (_, found) = stage.fsck(&thorough()).await;
            let owner = format!("content {}", sha256(&layer));
            let named = found.iter().any(|finding| match finding {
                FsckFinding::DamagedObject {
                    owner: of,
                    object,
                    size,
                    found,
                } => {
                    *of == owner
                        && *object == key
                        && *size == layer.len() as u64
                        && *found == bytes.map(|bytes| bytes.len() as u64)
                }
                FsckFinding::DamagedContent { digest, .. } => *digest == sha256(&layer).as_str(),
                _ => false,
            });
            assert!(named && found.len() == 1, "{told}: {found:?}");
            let path = blob_path("lib/app", &layer);
            if damage == Damage::OtherBytes {
                // Sizes agree: only reading it tells.
                let mut repair = thorough();
                repair.repair = true;
                stage.fsck(&repair).await;
            } else {
                // Another import tells, too, and does not take it back.
                let (_, skipped) = stage.import(&registry, true).await;
                assert_eq!(skipped.len(), 1, "{told}: {skipped:?}");
                assert!(
                    skipped[0].contains(sha256(&layer).as_str()),
                    "{told}: {skipped:?}"
                );
            }
            let (status, _, body) = ask(&registry, Method::GET, &path, b"").await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{told}: {body:?}");
            assert_eq!(
                ask(&registry, Method::HEAD, &path, b"").await.0,
                StatusCode::NOT_FOUND
            );
            // Not even where nobody hashes: it was found to be damaged.
            let (_, skipped) = stage.import(&registry, true).await;
            assert_eq!(skipped.len(), 1, "{told}: {skipped:?}");

            let before = docker.objects().await;
            push_blob(&registry, "lib/app", &layer).await;
            assert_served(&registry, &path, &layer).await;
            assert_eq!(docker.objects().await, before, "{told}");
            let (_, found) = stage.fsck(&thorough()).await;
            assert_eq!(found, Vec::new(), "{told}");
            let (_, skipped) = stage.import(&registry, true).await;
            assert_eq!(skipped, Vec::<String>::new(), "{told}");
        }
        assert_eq!(
            stage.see("SELECT count(*) FROM contents WHERE objects <> '{}'"),
            damages.len().to_string()
        );
        assert_eq!(
            stage.see(
                "SELECT count(*) FROM contents JOIN blobs ON content = id WHERE quarantined IS NOT NULL"
            ),
            "0"
        );
    }
}

/// A reader finds the damage itself: it fails, and the next one is told that there is no such blob.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_a_blob_that_is_gone_in_place_fails_and_its_return_brings_it_back() {
    for kind in kinds().into_iter().filter(|kind| *kind == Kind::Directory) {
        let stage = Stage::new(kind);
        let registry = stage.registry().await;
        stage.docker.push_image("lib/app", "v1", &[b"layer"]).await;
        stage.import(&registry, false).await;
        stage.docker.damage(b"layer", None).await;
        let path = blob_path("lib/app", b"layer");
        for _ in 0..2 {
            assert_eq!(
                ask(&registry, Method::GET, &path, b"").await.0,
                StatusCode::NOT_FOUND
            );
        }
        assert_eq!(
            stage.see("SELECT count(*) FROM contents WHERE quarantined IS NOT NULL"),
            "1"
        );
        stage.docker.damage(b"layer", Some(b"layer")).await;
        let (report, skipped) = stage.import(&registry, true).await;
        assert_eq!(
            (report.in_place, skipped),
            (1, Vec::new()),
            "hashed, although digests are trusted"
        );
        assert_served(&registry, &path, b"layer").await;
        assert_eq!(stage.see("SELECT count(*) FROM doomed"), "0");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_leads_to_a_blob_in_place() {
    if !kinds().contains(&Kind::Moto) {
        return;
    }
    let stage = Stage::new(Kind::Moto);
    let registry = stage.registry().await;
    let registry = registry.with_redirects(Redirects::new().with_least_size(0));
    stage.docker.push_image("lib/app", "v1", &[b"layer"]).await;
    stage.import(&registry, false).await;
    let path = blob_path("lib/app", b"layer");
    let (status, headers, _) = ask(&registry, Method::GET, &path, b"").await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    let location = headers["location"].to_str().expect("text");
    let key = stage.docker.key(b"layer");
    assert!(location.contains(&key), "{location}");
    assert_eq!(super::fetch(location).await, b"layer");
    let (status, headers, _) = ask(&registry, Method::HEAD, &path, b"").await;
    assert_eq!(
        (status, headers["content-length"].as_bytes()),
        (StatusCode::OK, b"5".as_slice())
    );
}

/// Where the whole bucket is the registry's, a check tells of what the other registry has, but not of what is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_in_place_are_not_told_as_foreign_objects() {
    if !kinds().contains(&Kind::Moto) {
        return;
    }
    let mut stage = Stage::new(Kind::Moto);
    stage.docker.prefix = "";
    let registry = stage.registry().await;
    stage.docker.push_image("lib/app", "v1", &[b"layer"]).await;
    stage.import(&registry, false).await;
    let (report, found) = stage.fsck(&FsckOptions::default()).await;
    assert_eq!((report.damage, report.external), (0, 2), "{found:?}");
    let foreign: Vec<_> = found
        .iter()
        .map(|finding| match finding {
            FsckFinding::Foreign { path, .. } => path.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(
        foreign
            .iter()
            .any(|path| path.ends_with("/_manifests/tags/v1/current/link")),
        "{foreign:?}"
    );
    for blob in [b"{}".as_slice(), b"layer"] {
        assert!(!foreign.contains(&stage.docker.key(blob).as_str()), "{foreign:?}");
    }
}
