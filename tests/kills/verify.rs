//! What must hold when a program was killed.

use std::{collections::BTreeSet, fs::File, path::Path, time::Duration};

use wharf::{
    Digest, Name,
    content::{ErrorKind, Sink, Source, Target},
    store::{Collect, Layout, Prune},
};
use wharf_reference::Tag;
use wharf_testkit::program;

use crate::{
    registry::{Content, Hosted, NAME},
    scenario::{Scenario, Stage},
};

/// What the program does is whole as it stands, and comes to the same end when the program runs again.
pub(crate) fn after_kill(
    hosted: &Hosted,
    scenario: &Scenario,
    stage: &Stage,
    acknowledged: bool,
    collect_first: bool,
) {
    no_lock_is_held(&stage.store());
    let content = scenario.content(hosted);
    hosted.runtime.block_on(async {
        store(hosted, scenario, stage, acknowledged).await;
        if scenario.pushes {
            repository(hosted, scenario, stage, acknowledged).await;
        } else if collect_first {
            at_rest(stage, hosted, content).await;
        }
    });

    let arguments: Vec<&str> = stage.arguments.iter().map(String::as_str).collect();
    let again = program::run(&hosted.sandbox, scenario.program, &arguments);
    assert_eq!(again.last_line(), content.digest().to_string());
    no_lock_is_held(&stage.store());
    hosted.runtime.block_on(async {
        store(hosted, scenario, stage, true).await;
        if scenario.pushes {
            repository(hosted, scenario, stage, true).await;
        }
        at_rest(stage, hosted, content).await;
    });
}

/// The kernel has taken back whatever was locked.
fn no_lock_is_held(store: &Path) {
    let private = store.join(".wharf");
    for directory in [private.clone(), private.join("ingest"), private.join("leases")] {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let locked = File::open(&path).unwrap().try_lock();
                locked.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            }
        }
    }
}

/// Nothing is damaged, and the one name leads to something complete.
async fn store(hosted: &Hosted, scenario: &Scenario, stage: &Stage, acknowledged: bool) {
    if !acknowledged && !scenario.moves && !scenario.pushes && Layout::open(stage.store()).await.is_err() {
        // Not made yet: then it can be made.
        Layout::create(stage.store()).await.unwrap();
    }
    let store = Layout::open(stage.store()).await.unwrap();
    let checked = store.check().await.unwrap();
    assert!(checked.is_clean(), "{:?}", checked.problems);
    assert!(checked.foreign.is_empty(), "{:?}", checked.foreign);

    let content = scenario.content(hosted);
    let mut named = None;
    for image in store.images().await.unwrap() {
        let digest = image.descriptor().digest();
        complete(&store, &digest.clone().into(), known(hosted, content, digest)).await;
        if let Some(name) = image.name() {
            assert_eq!(name.to_string(), NAME);
            assert_eq!(named.replace(digest.clone()), None, "a name stands twice");
        }
    }
    judge(hosted, scenario, named.as_ref(), acknowledged || scenario.pushes);
}

/// No tag leads to anything that is missing.
async fn repository(hosted: &Hosted, scenario: &Scenario, stage: &Stage, acknowledged: bool) {
    let repository = hosted.repository(&stage.repository);
    let tag = Target::from(Tag::parse("new").unwrap());
    let tagged = match repository.resolve(&tag).await {
        Ok(descriptor) => Some(descriptor.digest().clone()),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            None
        }
    };
    if let Some(digest) = &tagged {
        let content = known(hosted, scenario.content(hosted), digest);
        complete(&repository, &digest.clone().into(), content).await;
    }
    judge(hosted, scenario, tagged.as_ref(), acknowledged);
}

/// A name leads to the new image, or as long as nobody was told otherwise to what it led to before.
fn judge(hosted: &Hosted, scenario: &Scenario, found: Option<&Digest>, acknowledged: bool) {
    let new = Some(scenario.content(hosted).digest());
    let before = scenario.moves.then(|| hosted.old.digest());
    let allowed = found == new || (!acknowledged && found == before);
    assert!(
        allowed,
        "the name leads to {found:?}, acknowledged: {acknowledged}"
    );
}

fn known<'a>(hosted: &'a Hosted, content: &'a Content, digest: &Digest) -> &'a Content {
    let known = [content, &hosted.old].into_iter();
    let mut known = known.filter(|content| content.digest() == digest);
    known.next().expect("only these images are named")
}

/// Everything is there, byte for byte.
async fn complete(place: &(impl Source + Sink), target: &Target, content: &Content) {
    let root = place.manifest(target).await.unwrap();
    assert_eq!(root, content.manifests[0]);
    for manifest in &content.manifests {
        let found = place.manifest(&manifest.digest().clone().into()).await.unwrap();
        assert_eq!(&found, manifest);
    }
    for (descriptor, bytes) in &content.blobs {
        assert!(
            place.contains(descriptor).await.unwrap(),
            "{}",
            descriptor.digest()
        );
        let blob = place.blob(descriptor).await.unwrap();
        assert_eq!(blob.read_to_end(u64::MAX).await.unwrap(), bytes);
    }
}

/// Garbage reaches zero: what is left is what the name needs.
async fn at_rest(stage: &Stage, hosted: &Hosted, content: &Content) {
    let mut needed = BTreeSet::new();
    {
        // An open store that was read holds a lease.
        let store = Layout::open(stage.store()).await.unwrap();
        let everything = Collect::default()
            .with_partial_age(Duration::ZERO)
            .with_foreign_grace(Duration::ZERO);
        store.prune(Prune::Dangling, &everything).await.unwrap();
        let name = Name::parse(NAME).unwrap();
        if let Ok(descriptor) = store.resolve(&name.into()).await {
            let content = known(hosted, content, descriptor.digest());
            let manifests = content.manifests.iter().map(wharf::Manifest::digest);
            let blobs = content.blobs.iter().map(|(descriptor, _)| descriptor.digest());
            needed.extend(manifests.chain(blobs).map(|digest| digest.encoded().to_owned()));
        }
    }
    assert_eq!(files(&stage.store().join("blobs/sha256")), needed);
    for directory in ["ingest", "leases", "corrupt"] {
        let left = files(&stage.store().join(".wharf").join(directory));
        assert!(left.is_empty(), "{directory}: {left:?}");
    }
}

fn files(directory: &Path) -> BTreeSet<String> {
    let listed = std::fs::read_dir(directory).into_iter().flatten();
    listed
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
