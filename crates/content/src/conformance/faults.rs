//! Wrong or truncated bytes never become content.

use std::{future::Future, pin::Pin, task::Poll};

use super::{
    ConformanceFailure, Run,
    blobs::read,
    sample::{Fault, Sample, Samples},
};
use crate::{Sink, Source};

pub(super) async fn check(
    run: &mut Run,
    store: &(impl Source + Sink),
    samples: &Samples,
) -> Result<(), ConformanceFailure> {
    let faults = [
        (Fault::Flipped, "bytes with another digest"),
        (Fault::Short, "too few bytes"),
        (Fault::Long, "too many bytes"),
        (Fault::Breaks, "a source that breaks"),
    ];
    let mut number = 200;
    for (fault, case) in faults {
        for length in [1000, 1_500_000] {
            for once in [true, false] {
                run.case = case;
                number += 1;
                let sample = samples.blob(number, length);
                let sample = run.ok(sample, "make a sample")?;
                let blob = if once {
                    sample.blob_once(fault)
                } else {
                    sample.blob(fault)
                };
                let blob = run.ok(blob, "make a blob")?;
                run.failed(&store.push_blob(blob).await, "push it")?;
                absent_then_good(run, store, &sample).await?;
            }
        }
    }
    for length in [1000, 1_500_000] {
        run.case = "a push that is given up";
        number += 1;
        let sample = samples.blob(number, length);
        let sample = run.ok(sample, "make a sample")?;
        let blob = run.ok(sample.blob(Fault::Stalls), "make a blob")?;
        give_up(store.push_blob(blob)).await;
        absent_then_good(run, store, &sample).await?;
    }
    Ok(())
}

/// Polls a push a few times and drops it; its source stalls, so that it cannot end.
pub(super) async fn give_up<T>(mut push: Pin<Box<dyn Future<Output = T> + Send + '_>>) {
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        if push.as_mut().poll(context).is_ready() || polls > 8 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub(super) async fn absent_then_good(
    run: &mut Run,
    store: &(impl Source + Sink),
    sample: &Sample,
) -> Result<(), ConformanceFailure> {
    run.has(store, &sample.descriptor, false).await?;
    run.failed(&read(store, sample).await, "read it")?;
    let blob = run.ok(sample.blob(Fault::None), "make a blob")?;
    let pushed = store.push_blob(blob).await;
    run.ok(pushed, "push the right bytes then")?;
    let bytes = read(store, sample).await;
    let bytes = run.ok(bytes, "read them")?;
    run.that(bytes == sample.bytes, "the bytes must be the same")
}
