//! What must hold, whatever happened.

use std::{collections::BTreeSet, path::Path};

use wharf_archive::{Archive, Dir, Form};
use wharf_content::{Error, ErrorKind, Location, Source, Target};
use wharf_testkit::faults::{Stage, block_on};

use crate::{
    scenario::{DIR, Scenario, TAR},
    worker,
};

/// After a disturbance: the old image or the new one is whole, the steps can be done again, and nothing is left
/// beside it then.
pub(crate) fn stage(scenario: &Scenario, stage: &Stage, acknowledged: usize, context: &str) {
    block_on(async {
        let steps = scenario.disturbed();
        let before = scenario.image_after(acknowledged);
        let after = scenario.image_after((acknowledged + 1).min(steps.len()));
        let found = found(scenario, stage.path(), context).await;
        assert!(
            found == before || found == after,
            "{context}: image {found:?}, not {before:?} or {after:?}"
        );
        for step in steps {
            match worker::step(stage.path(), step).await {
                // The step was done to its end, but for its report.
                Err(error) if is_done(step, &error, found) => {}
                other => other.unwrap_or_else(|error| panic!("{context}: {step} again: {error}: {error:?}")),
            }
        }
        let last = scenario.image_after(steps.len());
        assert_eq!(
            self::found(scenario, stage.path(), context).await,
            last,
            "{context}"
        );
        let path = if steps[0].contains(TAR) { TAR } else { DIR };
        let names: BTreeSet<_> = std::fs::read_dir(stage.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        let expected = [path, "trace"].map(Into::into);
        assert_eq!(names, expected.into(), "{context}: nothing else is left");
    });
}

fn is_done(step: &str, error: &Error, found: Option<u64>) -> bool {
    step.starts_with("tar")
        && !step.contains("replace")
        && error.kind() == ErrorKind::Conflict
        && found.is_some()
}

/// The number of the image that is there, which is whole.
async fn found(scenario: &Scenario, root: &Path, context: &str) -> Option<u64> {
    let (dir, tar) = (root.join(DIR), root.join(TAR));
    if std::fs::metadata(&tar).is_ok_and(|metadata| metadata.len() > 0) {
        let archive = Archive::open(&tar, Form::Detect).await;
        let archive = archive.unwrap_or_else(|error| panic!("{context}: {error}"));
        let digest = archive.only().unwrap().descriptor().digest().clone();
        return Some(whole(&archive, &Target::Digest(digest), context).await);
    }
    let is_empty = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty(&dir) {
        return None;
    }
    let opened = match Dir::open(&dir).await {
        Err(error) if error.kind() == ErrorKind::NotFound && !dir.exists() => {
            let displaced = root.join(".image.wharf-old");
            if !displaced.join("manifest.json").exists() {
                return None;
            }
            assert!(scenario.displaces(), "{context}: {error}");
            assert!(
                error.to_string().contains(".image.wharf-old"),
                "{context}: {error}"
            );
            Dir::open(displaced).await
        }
        other => other,
    };
    let opened = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
    let digest = opened.root().digest().clone();
    let number = whole(&opened, &Target::Digest(digest), context).await;
    let Location::ImageDirectory(path) = opened.location() else {
        panic!("{context}: an image directory is at a path");
    };
    let files = std::fs::read_dir(path).unwrap().count();
    let image = worker::image(number);
    assert_eq!(
        files,
        image.blobs().len() + 2,
        "{context}: the files are the blobs, the manifest and the version"
    );
    Some(number)
}

/// Checks that an image of these tests can be read, and returns its number.
async fn whole(source: &dyn Source, target: &Target, context: &str) -> u64 {
    let manifest = source.manifest(target).await;
    let manifest = manifest.unwrap_or_else(|error| panic!("{context}: {error}"));
    let image = (1..10).map(|number| (number, worker::image(number)));
    // An archive of Docker's old form has the config, and other manifests and layers.
    let config = manifest.config().expect("an image").digest();
    let mut images = image.filter(|(_, image)| image.blobs()[0].0.digest() == config);
    let (number, image) = images.next().expect("an image of these tests");
    assert_eq!(manifest.blobs().count(), image.blobs().len(), "{context}");
    for descriptor in manifest.blobs() {
        let blob = source.blob(descriptor).await;
        let read = blob.unwrap().read_to_end(u64::MAX).await; // compared with its digest
        read.unwrap_or_else(|error| panic!("{context}: {}: {error}", descriptor.digest()));
    }
    number
}
