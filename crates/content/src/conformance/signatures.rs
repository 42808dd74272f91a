//! Signatures of each kind are kept as they are, if the sink keeps that kind.

use bytes::Bytes;

use super::{ConformanceFailure, Run, sample::Samples, together};
use crate::{ErrorKind, Manifest, MediaType, Name, Signature, Sink, Source, Wanted};

/// The number of writers at once.
const WRITERS: u8 = 4;

pub(super) async fn check(
    run: &mut Run,
    store: &(impl Source + Sink),
    samples: &Samples,
    image: &Manifest,
    named: bool,
) -> Result<(), ConformanceFailure> {
    run.case = "signatures";
    let name = run.ok(Name::parse("conformance-1"), "make a name")?;
    let name = Some(&name).filter(|_| named);
    for kind in Wanted::EVERYTHING.each() {
        run.case = "signatures";
        match store.accepts_signatures(kind, name).await {
            Ok(()) => kept(run, store, samples, image, name, kind).await?,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                run.case = "signatures of a kind that is not kept";
                let signatures = [signature(samples, kind, 0)];
                let pushed = store.push_signatures(image.descriptor(), name, &signatures);
                run.kind(pushed.await, ErrorKind::Unsupported, "push one")?;
                reads_as(run, store, image, kind, &[]).await?;
            }
            Err(error) => return Err(run.fail(format!("ask whether {kind} are kept: {error}"))),
        }
    }
    run.case = "no signatures";
    let none = store.push_signatures(image.descriptor(), None, &[]).await;
    let none = run.ok(none, "push none")?;
    run.that(none == 0, "none must be added")?;
    let nothing = store.accepts_signatures(Wanted::NOTHING, None).await;
    run.ok(nothing, "ask about no kind")
}

async fn kept(
    run: &mut Run,
    store: &(impl Source + Sink),
    samples: &Samples,
    image: &Manifest,
    name: Option<&Name>,
    kind: Wanted,
) -> Result<(), ConformanceFailure> {
    let subject = image.descriptor();
    let [first, second] = [0, 1].map(|number| signature(samples, kind, number));
    let both = [first.clone(), second.clone()];
    for (pushed, added) in [(&both[..1], 1), (&both[..], 1), (&both[..], 0)] {
        let result = store.push_signatures(subject, name, pushed).await;
        let result = run.ok(result, "push signatures")?;
        run.that(result == added, "those that are new must be added, and no others")?;
        reads_as(run, store, image, kind, pushed_so_far(&both, pushed)).await?;
    }

    run.case = "signatures of several writers at once";
    let mine = |writer: u8| [signature(samples, kind, 2 + writer)];
    let signatures: Vec<[Signature; 1]> = (0..WRITERS).map(mine).collect();
    let pushes = signatures
        .iter()
        .map(|signatures| store.push_signatures(subject, name, signatures));
    for added in together(pushes.collect()).await {
        let added = run.ok(added, "push one of several at once")?;
        run.that(added == 1, "each writer must add its own")?;
    }
    let mut all = both.to_vec();
    all.extend(signatures.into_iter().flatten());
    reads_as(run, store, image, kind, &all).await?;

    run.case = "a blob that is no signature";
    let unknown = Signature::from_blob(Bytes::from_static(b"<html>"));
    let pushed = store.push_signatures(subject, name, &[unknown]).await;
    run.kind(pushed, ErrorKind::Unsupported, "push it")
}

/// The signatures that must be there after a push of the first one or of both.
fn pushed_so_far<'a>(both: &'a [Signature], pushed: &[Signature]) -> &'a [Signature] {
    both.get(..pushed.len()).unwrap_or(both)
}

/// Checks that the store has these signatures of a kind, the first two before the others if the kind has an order.
async fn reads_as(
    run: &mut Run,
    store: &impl Source,
    image: &Manifest,
    kind: Wanted,
    expected: &[Signature],
) -> Result<(), ConformanceFailure> {
    let read = store.signatures(image.digest(), kind).await;
    let read = run.ok(read, "read the signatures")?;
    run.that(
        read.len() == expected.len() && expected.iter().all(|one| read.contains(one)),
        "the signatures must be those that were pushed",
    )?;
    let in_order = read
        .iter()
        .zip(expected)
        .take(2)
        .all(|(read, pushed)| read == pushed);
    run.that(
        in_order || kind == Wanted::BUNDLES,
        "signatures must be in the order in which they were pushed",
    )
}

fn signature(samples: &Samples, kind: Wanted, number: u8) -> Signature {
    let text = format!("{}-{number}", samples.mark());
    if kind.simple {
        return Signature::Simple(Bytes::from([&[0x90], text.as_bytes()].concat()));
    }
    if kind.bundles {
        return Signature::Bundle(format!(r#"{{"messageSignature":"{text}"}}"#).into());
    }
    Signature::Attachment {
        media_type: MediaType::from_document("application/vnd.dev.cosign.simplesigning.v1+json"),
        payload: format!(r#"{{"critical":"{}"}}"#, number / 2).into(),
        annotations: [("dev.cosignproject.cosign/signature".to_owned(), text)].into(),
    }
}
