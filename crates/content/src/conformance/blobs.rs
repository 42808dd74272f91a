//! Blobs go in and come out.

use wharf_reference::Algorithm;

use super::{
    Failure, Run,
    sample::{Fault, Sample, Samples},
    together,
};
use crate::{Error, ErrorKind, Hasher, Sink, Source};

/// Empty, one byte, less and more than any buffer, more than several.
const LENGTHS: [usize; 5] = [0, 1, 4096, 70_001, 2_500_000];

pub(super) async fn check(
    run: &mut Run,
    place: &(impl Source + Sink),
    samples: &Samples,
    resumable: bool,
) -> Result<(), Failure> {
    for (number, length) in LENGTHS.into_iter().enumerate() {
        run.case = "a blob goes in and comes out";
        let sample = samples.blob(number as u64, length);
        let sample = run.ok(sample, "make a sample")?;
        round_trip(run, place, &sample).await?;
    }
    run.case = "a blob that is not there";
    let absent = samples.blob(100, 500);
    let absent = run.ok(absent, "make a sample")?;
    run.has(place, &absent.descriptor, false).await?;
    run.kind(read(place, &absent).await, ErrorKind::NotFound, "read it")?;

    run.case = "the same blob at once";
    let shared = samples.blob(101, 300_000);
    let shared = run.ok(shared, "make a sample")?;
    at_once(run, place, &shared).await?;

    if resumable {
        run.case = "the rest of a blob";
        let sample = samples.blob(4, LENGTHS[4]);
        let sample = run.ok(sample, "make a sample")?;
        for offset in [0, 1, 1_000_000, LENGTHS[4] - 1] {
            let rest = rest(place, &sample, offset).await;
            let rest = run.ok(rest, "read from its middle")?;
            let expected = sample.bytes.get(offset..).unwrap_or_default();
            run.that(rest == expected, "the bytes must be the rest")?;
        }
    }
    Ok(())
}

async fn round_trip(run: &mut Run, place: &(impl Source + Sink), sample: &Sample) -> Result<(), Failure> {
    let blob = run.ok(sample.blob(Fault::None), "make a blob")?;
    let once = run.ok(sample.blob_once(Fault::None), "make a blob")?;
    let pushed = place.push_blob(blob).await;
    run.ok(pushed, "push it")?;
    run.has(place, &sample.descriptor, true).await?;
    for _ in 0..2 {
        let bytes = read(place, sample).await;
        let bytes = run.ok(bytes, "read it")?;
        run.that(bytes == sample.bytes, "the bytes must be the same")?;
    }
    let again = place.push_blob(once).await;
    run.ok(again, "push it again")
}

async fn at_once(run: &mut Run, place: &(impl Source + Sink), sample: &Sample) -> Result<(), Failure> {
    let mut pushes = Vec::new();
    for _ in 0..4 {
        for blob in [sample.blob(Fault::None), sample.blob_once(Fault::None)] {
            let blob = run.ok(blob, "make a blob")?;
            pushes.push(place.push_blob(blob));
        }
    }
    for pushed in together(pushes).await {
        run.ok(pushed, "push it eight times")?;
    }
    let bytes = read(place, sample).await;
    let bytes = run.ok(bytes, "read it")?;
    run.that(bytes == sample.bytes, "the bytes must be the same")
}

pub(super) async fn read(place: &impl Source, sample: &Sample) -> Result<bytes::Bytes, Error> {
    let blob = place.blob(&sample.descriptor).await?;
    blob.read_to_end(u64::MAX).await
}

/// Reads from `offset` on, as a push that was cut does.
async fn rest(place: &impl Source, sample: &Sample, offset: usize) -> Result<Vec<u8>, Error> {
    let mut hasher = Hasher::new(match sample.descriptor.digest().algorithm() {
        Algorithm::Sha512 => Algorithm::Sha512,
        _ => Algorithm::Sha256,
    })?;
    hasher.update(sample.bytes.get(..offset).unwrap_or_default());
    let blob = place.blob(&sample.descriptor).await?;
    let mut rest = blob
        .resume(hasher)
        .ok_or_else(|| Error::new(ErrorKind::Other, "the blob cannot be resumed"))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = rest.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}
