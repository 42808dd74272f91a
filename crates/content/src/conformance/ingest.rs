//! Blobs of unknown digest are written, if the sink supports that.

use wharf_reference::Algorithm;

use super::{
    ConformanceFailure, Run,
    blobs::read,
    faults::{absent_then_good, give_up},
    sample::{Fault, Sample, Samples},
    together,
};
use crate::{Descriptor, Error, ErrorKind, Sink, Source};

/// Sizes in bytes: empty, one byte, less and more than a buffer, more than several buffers.
const LENGTHS: [usize; 5] = [0, 1, 4097, 70_003, 2_500_001];

pub(super) async fn check(
    run: &mut Run,
    store: &(impl Source + Sink),
    samples: &Samples,
) -> Result<(), ConformanceFailure> {
    if !store.can_ingest() {
        run.case = "a sink that takes known digests alone";
        let sample = run.ok(samples.blob(400, 500), "make a sample")?;
        run.kind(
            ingest(store, samples, &sample, Fault::None).await,
            ErrorKind::Unsupported,
            "ingest it",
        )?;
        return run.has(store, &sample.descriptor, false).await;
    }
    for (number, length) in LENGTHS.into_iter().enumerate() {
        run.case = "a blob of unknown digest goes in";
        let sample = run.ok(samples.blob(400 + number as u64, length), "make a sample")?;
        for _ in 0..2 {
            goes_in(run, store, samples, &sample).await?;
        }
    }

    run.case = "a blob of unknown digest that is there";
    let sample = run.ok(samples.blob(410, 100_000), "make a sample")?;
    let blob = run.ok(sample.blob(Fault::None), "make a blob")?;
    run.ok(store.push_blob(blob).await, "push it")?;
    goes_in(run, store, samples, &sample).await?;

    run.case = "the same blob of unknown digest at once";
    let sample = run.ok(samples.blob(411, 300_000), "make a sample")?;
    let ingests = (0..4).map(|_| {
        let bytes = sample.stream(Fault::None);
        store.ingest(sample.descriptor.media_type().clone(), samples.algorithm(), bytes)
    });
    for descriptor in together(ingests.collect()).await {
        let descriptor = run.ok(descriptor, "ingest it four times")?;
        run.that(
            descriptor == sample.descriptor,
            "the descriptor must be that of the bytes",
        )?;
    }
    let bytes = run.ok(read(store, &sample).await, "read it")?;
    run.that(bytes == sample.bytes, "the bytes must be the same")?;

    broken(run, store, samples).await
}

async fn goes_in(
    run: &mut Run,
    store: &(impl Source + Sink),
    samples: &Samples,
    sample: &Sample,
) -> Result<(), ConformanceFailure> {
    let descriptor = ingest(store, samples, sample, Fault::None).await;
    let descriptor = run.ok(descriptor, "ingest it")?;
    run.that(
        descriptor == sample.descriptor,
        "the descriptor must be that of the bytes, with the type that was passed",
    )?;
    run.has(store, &sample.descriptor, true).await?;
    let bytes = run.ok(read(store, sample).await, "read it")?;
    run.that(bytes == sample.bytes, "the bytes must be the same")
}

/// A stream that fails or is dropped leaves no content, neither of the whole nor of the part that arrived.
async fn broken(
    run: &mut Run,
    store: &(impl Source + Sink),
    samples: &Samples,
) -> Result<(), ConformanceFailure> {
    for (number, length) in [(420, 1000), (421, 1_500_000)] {
        for (offset, fault) in [(0, Fault::Breaks), (10, Fault::Stalls)] {
            run.case = "a blob of unknown digest whose stream breaks or stalls";
            let sample = run.ok(samples.blob(number + offset, length), "make a sample")?;
            let half = sample.bytes.slice(..length / 2);
            let half = samples.sample(sample.descriptor.media_type().clone(), half);
            let half = run.ok(half, "make a sample")?;
            if fault == Fault::Breaks {
                let ingested = ingest(store, samples, &sample, fault).await;
                run.kind(ingested, ErrorKind::Network, "ingest it")?;
            } else {
                let media_type = sample.descriptor.media_type().clone();
                give_up(store.ingest(media_type, samples.algorithm(), sample.stream(fault))).await;
            }
            run.has(store, &half.descriptor, false).await?;
            absent_then_good(run, store, &sample).await?;
        }
    }
    Ok(())
}

/// An algorithm that is not supported is refused.
pub(super) async fn refuses(run: &mut Run, store: &(impl Source + Sink)) -> Result<(), ConformanceFailure> {
    run.case = "an unsupported algorithm";
    let samples = Samples::new(0, Algorithm::Sha256);
    let sample = run.ok(samples.blob(430, 10), "make a sample")?;
    let media_type = sample.descriptor.media_type().clone();
    let ingested = store.ingest(media_type, Algorithm::Unsupported, sample.stream(Fault::None));
    run.kind(ingested.await, ErrorKind::Unsupported, "ingest")
}

async fn ingest(
    store: &impl Sink,
    samples: &Samples,
    sample: &Sample,
    fault: Fault,
) -> Result<Descriptor, Error> {
    let media_type = sample.descriptor.media_type().clone();
    store
        .ingest(media_type, samples.algorithm(), sample.stream(fault))
        .await
}
