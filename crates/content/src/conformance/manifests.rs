//! Manifests are stored byte for byte; names are set and moved.

use super::{
    ConformanceFailure, Run,
    sample::{Fault, Sample, Samples},
};
use crate::{Descriptor, ErrorKind, Manifest, MediaType, Name, Sink, Source, Target};

/// Returns a manifest that the store has afterwards.
pub(super) async fn check(
    run: &mut Run,
    store: &(impl Source + Sink),
    samples: &Samples,
    named: bool,
) -> Result<Manifest, ConformanceFailure> {
    run.case = "an image";
    let config = samples.sample(MediaType::OCI_CONFIG, config(samples).into());
    let config = run.ok(config, "make a sample")?;
    let layer = samples.blob(0, 0); // one that is there
    let layer = run.ok(layer, "make a sample")?;
    let blob = run.ok(config.blob(Fault::None), "make a blob")?;
    let pushed = store.push_blob(blob).await;
    run.ok(pushed, "push the config")?;

    let mut images = Vec::new();
    for (number, media_type) in [MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST]
        .iter()
        .enumerate()
    {
        let text = image(samples, media_type, number, &config, &layer);
        let manifest = run.ok(samples.manifest(media_type, text), "make a manifest")?;
        pushed_by_digest(run, store, &manifest).await?;
        images.push(manifest);
    }

    run.case = "an index";
    let index = index(samples, &images);
    let index = run.ok(samples.manifest(&MediaType::OCI_INDEX, index), "make an index")?;
    pushed_by_digest(run, store, &index).await?;
    images.push(index);

    if named {
        names(run, store, &images).await?;
    }

    run.case = "a manifest that is not there";
    let text = image(samples, &MediaType::OCI_MANIFEST, 99, &config, &layer);
    let absent = run.ok(
        samples.manifest(&MediaType::OCI_MANIFEST, text),
        "make a manifest",
    )?;
    run.has(store, absent.descriptor(), false).await?;
    let target = Target::Digest(absent.digest().clone());
    run.kind(store.manifest(&target).await, ErrorKind::NotFound, "read it")?;
    run.kind(store.resolve(&target).await, ErrorKind::NotFound, "resolve it")?;
    run.that(
        Source::location(store) == Sink::location(store),
        "both sides must be at one store",
    )?;
    images
        .into_iter()
        .next()
        .ok_or_else(|| run.fail("the suite makes an image"))
}

async fn pushed_by_digest(
    run: &mut Run,
    store: &(impl Source + Sink),
    manifest: &Manifest,
) -> Result<(), ConformanceFailure> {
    for _ in 0..2 {
        let pushed = store.push_manifest(manifest, None).await;
        run.ok(pushed, "push it by digest")?;
    }
    run.has(store, manifest.descriptor(), true).await?;
    reads_as(run, store, &Target::Digest(manifest.digest().clone()), manifest).await
}

async fn reads_as(
    run: &mut Run,
    store: &impl Source,
    target: &Target,
    manifest: &Manifest,
) -> Result<(), ConformanceFailure> {
    let read = store.manifest(target).await;
    let read = run.ok(read, "read it")?;
    run.that(read.bytes() == manifest.bytes(), "the bytes must be the same")?;
    run.that(
        read.media_type() == manifest.media_type(),
        "the type must be the same",
    )?;
    let resolved = store.resolve(target).await;
    let resolved = run.ok(resolved, "resolve it")?;
    let same = |ours: &Descriptor, theirs: &Descriptor| {
        ours.digest().encoded() == theirs.digest().encoded()
            && ours.size() == theirs.size()
            && ours.media_type() == theirs.media_type()
    };
    // A name may be resolved with another algorithm than the manifest was pushed with.
    let other = resolved.digest().algorithm() != manifest.digest().algorithm();
    run.that(
        same(&resolved, manifest.descriptor()) || (other && matches!(target, Target::Name(_))),
        "type, digest and size must be the same",
    )
}

async fn names(
    run: &mut Run,
    store: &(impl Source + Sink),
    images: &[Manifest],
) -> Result<(), ConformanceFailure> {
    let [first, second, index] = images else {
        return Err(run.fail("the suite makes three manifests"));
    };
    let name = |number: u32| Name::parse(&format!("conformance-{number}"));

    run.case = "names";
    for (number, manifest) in [(1, first), (2, first), (3, index)] {
        let name = run.ok(name(number), "make a name")?;
        let pushed = store.push_manifest(manifest, Some(&name)).await;
        run.ok(pushed, "push by name")?;
        reads_as(run, store, &name.into(), manifest).await?;
    }

    run.case = "a name that moves";
    let moved = run.ok(name(1), "make a name")?;
    let pushed = store.push_manifest(second, Some(&moved)).await;
    run.ok(pushed, "push another manifest by the same name")?;
    reads_as(run, store, &moved.into(), second).await?;
    let stayed = run.ok(name(2), "make a name")?;
    reads_as(run, store, &stayed.into(), first).await?;
    reads_as(run, store, &Target::Digest(first.digest().clone()), first).await?;

    run.case = "a name that is not there";
    let absent = Target::Name(run.ok(name(99), "make a name")?);
    run.kind(store.manifest(&absent).await, ErrorKind::NotFound, "read it")?;
    run.kind(store.resolve(&absent).await, ErrorKind::NotFound, "resolve it")
}

fn config(samples: &Samples) -> String {
    let mark = samples.mark();
    format!(
        r#"{{"architecture":"amd64","os":"linux","author":"{mark}","rootfs":{{"type":"layers","diff_ids":[]}}}}"#
    )
}

/// A manifest with white space and unknown keys, which must not change.
fn image(
    samples: &Samples,
    media_type: &MediaType,
    number: usize,
    config: &Sample,
    layer: &Sample,
) -> String {
    let describe = |sample: &Sample, media_type: &MediaType| {
        let descriptor = &sample.descriptor;
        format!(
            r#"{{"size": {}, "digest":"{}",  "mediaType":"{media_type}"}}"#,
            descriptor.size(),
            descriptor.digest()
        )
    };
    let (config_type, layer_type) = if *media_type == MediaType::DOCKER_MANIFEST {
        (MediaType::DOCKER_CONFIG, MediaType::DOCKER_LAYER_GZIP)
    } else {
        (MediaType::OCI_CONFIG, MediaType::OCI_LAYER_GZIP)
    };
    format!(
        "{{\n  \"schemaVersion\" : 2,\t\"mediaType\":\"{media_type}\",\n\"x-future\": [1.50, \"\\u00e9\"],\
         \"config\":{},\"layers\":[{}],\"annotations\":{{\"number\":\"{number}-{}\"}}}}\n",
        describe(config, &config_type),
        describe(layer, &layer_type),
        samples.mark(),
    )
}

fn index(samples: &Samples, images: &[Manifest]) -> String {
    let entry = |manifest: &Manifest| {
        let descriptor = manifest.descriptor();
        format!(
            r#"{{"mediaType":"{}","digest":"{}","size":{}}}"#,
            descriptor.media_type(),
            descriptor.digest(),
            descriptor.size()
        )
    };
    let entries: Vec<String> = images.iter().map(entry).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}],"annotations":{{"mark":"{}"}}}}"#,
        MediaType::OCI_INDEX,
        entries.join(","),
        samples.mark()
    )
}
