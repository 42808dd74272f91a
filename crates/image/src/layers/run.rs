use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wharf_content::{
    ByteStream, Descriptor, Error, ErrorKind, Event, Hasher, Location, MediaType, Progress, Sink,
};
use wharf_reference::Digest;

use super::{Input, Job, MemoEntry, Recoder, Unpacked, recode::Read};
use crate::{LayerOutcome, Options, options::Scratch};

/// A layer that was made.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) job: Job,
    pub(crate) new: Descriptor,
    pub(crate) diff_id: Digest,
    pub(crate) outcome: LayerOutcome,
    /// Bytes other than zeros after the end of the tar, if it was read.
    pub(crate) trailing: Option<u64>,
}

/// The new layers, by the digest and type of the original ones.
pub(crate) type Replacements = HashMap<(Digest, MediaType), Descriptor>;

/// Makes layers, in the order of the jobs. Each is written to where its bytes will be needed:
///
/// | memo | sink has it | sink takes blobs of unknown digest | scratch | the layer is encoded |
/// |---|---|---|---|---|
/// | known | yes | | | not at all |
/// | known | no | | | when it is copied |
/// | unknown | | yes | | now, into the sink |
/// | unknown | | no | given | now, into the scratch store |
/// | unknown | | no | none | now, for its digest, and again when it is copied |
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] before any layer is read, if one that can be read once would have to be read twice.
pub(crate) async fn run(
    jobs: Vec<Job>,
    recoder: &Recoder,
    sink: &Arc<dyn Sink>,
    options: &Options,
) -> Result<Vec<Change>, Error> {
    for job in &jobs {
        let once = matches!(&job.input, Input::New(_, layer) if !layer.can_reopen());
        if once && !sink.can_ingest() && options.scratch.is_none() {
            let message = format!(
                "the {} can be read once, and {} takes no blob of unknown digest; a scratch store is needed",
                job.name,
                sink.location()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    }
    let at_a_time = if in_order(&**sink) {
        1
    } else {
        options.threads.get()
    };
    let unpacked = Arc::new(Unpacked::new(options.max_unpacked));
    let changes = jobs
        .into_iter()
        .map(|job| one(job, recoder, sink, options, Arc::clone(&unpacked)));
    stream::iter(changes).buffered(at_a_time).try_collect().await
}

/// True for a sink that takes one layer after the other: the members of an archive stand in the order in which they
/// were written, which must not depend on speed.
pub(crate) fn in_order(sink: &dyn Sink) -> bool {
    matches!(sink.location(), Location::Archive(_) | Location::Daemon(_))
}

async fn one(
    job: Job,
    recoder: &Recoder,
    sink: &Arc<dyn Sink>,
    options: &Options,
    unpacked: Arc<Unpacked>,
) -> Result<Change, Error> {
    if let Some(entry) = known(&job, options) {
        let new = Descriptor::new(job.media_type.clone(), entry.digest, entry.size)?;
        let outcome = if sink.contains(&new).await? {
            LayerOutcome::Present
        } else {
            LayerOutcome::Deferred
        };
        return Ok(Change {
            job,
            new,
            diff_id: entry.diff_id,
            outcome,
            trailing: None,
        });
    }
    let mut recoded = recoder.open(&job, 0, Some(unpacked)).await?;
    recoded.bytes = reported(recoded.bytes, job.name.clone(), Arc::clone(&options.progress));
    let (media_type, algorithm) = (job.media_type.clone(), job.algorithm());
    let (new, outcome) = match &options.scratch {
        _ if sink.can_ingest() => {
            let new = sink.ingest(media_type, algorithm, recoded.bytes).await?;
            (new, LayerOutcome::Ingested)
        }
        Some(Scratch { sink: scratch, .. }) => {
            let new = scratch.ingest(media_type, algorithm, recoded.bytes).await?;
            (new, LayerOutcome::Scratch)
        }
        None => {
            let (digest, size) = digest_of(recoded.bytes, Hasher::new(algorithm)?).await?;
            (Descriptor::new(media_type, digest, size)?, LayerOutcome::Deferred)
        }
    };
    // It is sent before the last bytes, which were read.
    let Read { diff_id, trailing } = recoded
        .read
        .await
        .map_err(|error| Error::wrap(ErrorKind::Other, error))?;
    if let Some(key) = job.key() {
        let entry = MemoEntry {
            digest: new.digest().clone(),
            size: new.size(),
            diff_id: diff_id.clone(),
        };
        options.memo.put(&key, &entry);
    }
    Ok(Change {
        job,
        new,
        diff_id,
        outcome,
        trailing,
    })
}

/// Tells of the bytes of a layer as they are taken.
fn reported(bytes: ByteStream, layer: String, progress: Arc<dyn Progress>) -> ByteStream {
    let tell = move |piece: &Result<Bytes, Error>| {
        let bytes = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        progress.event(Event::Made { layer: &layer, bytes });
    };
    bytes.inspect(tell).boxed()
}

/// The result that the memo knows for a layer.
fn known(job: &Job, options: &Options) -> Option<MemoEntry> {
    let Input::Stored(stored) = &job.input else {
        return None;
    };
    let entry = options.memo.get(&job.key()?)?;
    (entry.diff_id == stored.diff_id).then_some(entry)
}

async fn digest_of(mut bytes: ByteStream, mut hasher: Hasher) -> Result<(Digest, u64), Error> {
    let mut size = 0;
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk?;
        size += chunk.len() as u64;
        hasher.update(&chunk);
    }
    Ok((hasher.finish()?, size))
}
