use std::{collections::HashMap, sync::Arc};

use tokio::sync::Semaphore;
use wharf_content::{Descriptor, Error, ErrorKind, Hasher, Sink, Source, Target};
use wharf_reference::Digest;

use crate::{
    AddedLayer, EditedLayer, LayerChange, LayerOutcome, Loss, Options, Prepared, Recipe, Report,
    compose::{Compositions, Made},
    graph::Graph,
    layers::{Buffers, Change, Input, Job, Jobs, Recoder, Threads, in_order, plan, run},
    prepared::{Content, Layer},
    rewrite::{NewLayers, Rewriter, Rewritten, is_position},
};

/// Applies a recipe to the image that `target` means in `source`, and returns the changed image as a source, from
/// which it is copied to the sink.
///
/// Manifests, and the configs of images that change, are read; the gate judges the manifests, and the sink is asked
/// whether it can store every type that results, before any layer is written. No layer is read before that, but to learn
/// where [members](Recipe::members) change.
///
/// Layers that the recipe touches are then decoded, verified against the config, and encoded, in one pass each. If the
/// sink takes blobs of unknown digest, they are written to it, so that a copy finds them there; of a store with garbage
/// collection, give the same [pinning handle](Sink::pinned) to the preparation and to the copy. Otherwise they go to
/// the scratch store of the options, or are encoded twice: for their digest, and when the copy reads them. After a
/// failure, layers that were written stay in the sink, without a name. A recipe without layer work writes nothing.
///
/// It needs a tokio runtime.
///
/// ```
/// use std::sync::Arc;
/// use wharf_content::{ImageBuilder, MediaType, Platform};
/// use wharf_copy::{Selection, copy};
/// use wharf_image::{Format, Options, Recipe, prepare};
/// use wharf_store::Memory;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let image = ImageBuilder::for_platform(Platform::host()).with_tar("a tar").build()?;
/// let (target, store) = (image.digest().into(), Arc::new(Memory::new()));
/// let recipe = Recipe::new().format(Format::Docker);
/// let prepared = prepare(Arc::new(image), store.clone(), &target, &recipe, &Options::default()).await?;
/// assert_eq!(*prepared.root().media_type(), MediaType::DOCKER_MANIFEST);
///
/// let target = prepared.target();
/// copy(Arc::new(prepared), store, &target, Selection::All.into()).await?;
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Conflict`] for a recipe that changes what it preserves, before the first request;
/// [`ErrorKind::Unsupported`] for what the recipe cannot be applied to, for a loss if losses are denied, and for a type
/// that the sink refuses; [`ErrorKind::NotFound`] if there is no image for a platform; [`ErrorKind::Rejected`] from the
/// gate; [`ErrorKind::TooLarge`] beyond a limit; [`ErrorKind::Invalid`] if the layers of an image that changes do not
/// fit its config; [`ErrorKind::Mismatch`] if the tar of a layer has another digest than the config states, and
/// [`ErrorKind::Corrupt`] for a layer that cannot be decoded, or is compressed otherwise than its type says; the errors
/// of the source and the sink.
pub async fn prepare(
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    target: &Target,
    recipe: &Recipe,
    options: &Options,
) -> Result<Prepared, Error> {
    recipe.check()?;
    let options = &match &recipe.created {
        Some(time) => options.clone().with_created(time),
        None => options.clone(),
    };
    let graph = Graph::read(&*source, target, recipe, options).await?;
    let compositions = Compositions::compose(&source, &graph, recipe, options).await?;
    let Jobs { jobs, passed } = plan(&graph, recipe, &compositions)?;
    check(&graph, recipe, &compositions, &jobs, &*sink)?;
    let threads = options.threads.get();
    let bytes = if in_order(&*sink) {
        0
    } else {
        jobs.iter()
            .fold(0, |sum: u64, job| sum.saturating_add(job.size()))
    };
    let recoder = Recoder {
        source: Arc::clone(&source),
        encoders: Arc::new(Semaphore::new(threads)),
        limits: options.limits.clone(),
        threads: Threads { all: threads, bytes },
        buffers: Buffers::default(),
    };
    let changes = run(jobs, &recoder, &sink, options).await?;
    let mut new = NewLayers::default();
    for Change {
        job,
        new: layer,
        diff_id,
        ..
    } in &changes
    {
        new.add(job, layer.clone(), diff_id.clone());
    }
    let rewritten = Rewriter::run(&graph, recipe, &new, &compositions)?;
    let dropped_referrers = dropped_referrers(&*source, &graph, &rewritten).await;
    let report = Report {
        original: graph.root().descriptor().clone(),
        root: graph.root().descriptor().clone(),
        losses: Vec::new(),
        layers: changes.iter().filter_map(layer_change).collect(),
        added: changes
            .iter()
            .filter_map(|change| added_layer(change, &compositions))
            .collect(),
        edited: changes
            .iter()
            .filter_map(|change| edited_layer(change, &compositions))
            .collect(),
        passed,
        dropped_attestations: Vec::new(),
        dropped_referrers,
        warnings: Vec::new(),
    };
    let scratch = options.scratch.as_ref().map(|scratch| &scratch.source);
    let layers = changes.into_iter().map(
        |Change {
             job, new, outcome, ..
         }| {
            let scratch = scratch.filter(|_| outcome == LayerOutcome::Scratch).cloned();
            (new.digest().clone(), Layer { job, scratch })
        },
    );
    let made = MadeLayers {
        layers: layers.collect(),
        sources: compositions.sources(),
    };
    Ok(assemble(target, graph, rewritten, report, recoder, made))
}

/// Refuses what cannot be done, before any layer is read: on the documents with the types that layers will have.
fn check(
    graph: &Graph,
    recipe: &Recipe,
    compositions: &Compositions,
    jobs: &[Job],
    sink: &dyn Sink,
) -> Result<(), Error> {
    let mut planned = NewLayers::default();
    for job in jobs {
        let (digest, size) = match &job.input {
            Input::Stored(stored) => (stored.layer.digest().clone(), stored.layer.size()),
            Input::New(..) => (Hasher::sha256(job.name.as_bytes()), 0), // any digest will do
        };
        let layer = Descriptor::new(job.media_type.clone(), digest.clone(), size)?;
        planned.add(job, layer, digest);
    }
    let rewritten = Rewriter::run(graph, recipe, &planned, compositions)?;
    if recipe.deny_loss && !rewritten.losses.is_empty() {
        return Err(lossy(&rewritten.losses));
    }
    for manifest in graph.manifests.values() {
        let result = rewritten.manifests.get(manifest.digest()).unwrap_or(manifest);
        sink.accepts(result.descriptor())?;
        for blob in result.blobs() {
            sink.accepts(&blob.as_blob())?;
        }
    }
    Ok(())
}

/// The number of referrers of a root that changed. It is for the report, so a source that fails is none that has any.
async fn dropped_referrers(source: &dyn Source, graph: &Graph, rewritten: &Rewritten) -> Option<usize> {
    let root = graph.root().digest();
    if !rewritten.manifests.contains_key(root) {
        return Some(0);
    }
    source.referrers(root).await.ok().map(|list| list.len())
}

/// The layers of the result that are not read from the source.
struct MadeLayers {
    layers: HashMap<Digest, Layer>,
    sources: HashMap<Digest, Arc<dyn Source>>,
}

impl NewLayers {
    fn add(&mut self, job: &Job, layer: Descriptor, diff_id: Digest) {
        match &job.input {
            Input::Stored(stored) => _ = self.replaced.insert(stored.replaces(), layer),
            Input::New(number, _) => _ = self.made.insert(*number, Made { layer, diff_id }),
        }
    }
}

/// Joins the old documents and the new ones.
fn assemble(
    target: &Target,
    graph: Graph,
    rewritten: Rewritten,
    mut report: Report,
    recoder: Recoder,
    made_layers: MadeLayers,
) -> Prepared {
    let root = rewritten
        .manifests
        .get(graph.root().digest())
        .unwrap_or(graph.root())
        .clone();
    report.root = root.descriptor().clone();
    report.losses = rewritten.losses;
    report.dropped_attestations = rewritten.dropped_attestations;
    report.warnings = graph.warnings;
    let originals = rewritten.manifests.iter().filter_map(|(original, new)| {
        let original = graph.manifests.get(original)?;
        Some((Hasher::sha256(new.bytes()), Hasher::sha256(original.bytes())))
    });
    let originals = originals.collect();
    let new: HashMap<_, _> = rewritten
        .manifests
        .into_values()
        .map(|manifest| (manifest.digest().clone(), manifest))
        .collect();
    let mut made: HashMap<_, _> = new.keys().map(|digest| (digest.clone(), None)).collect();
    let configs = rewritten.configs.into_iter();
    made.extend(configs.map(|(config, bytes)| (config.digest().clone(), Some(bytes))));
    let mut manifests = graph.manifests;
    manifests.extend(new);
    Prepared {
        content: Arc::new(Content {
            source: Arc::clone(&recoder.source),
            asked: target.clone(),
            root,
            manifests,
            made,
            originals,
            layers: made_layers.layers,
            sources: made_layers.sources,
            recoder,
            report,
        }),
    }
}

fn layer_change(change: &Change) -> Option<LayerChange> {
    let Input::Stored(stored) = &change.job.input else {
        return None;
    };
    let layer = &stored.layer;
    let keys = layer.annotations().keys().cloned();
    let (dropped, kept) = keys.partition(|key| is_position(key));
    Some(LayerChange {
        from: layer.clone(),
        to: change.new.clone(),
        diff_id: change.diff_id.clone(),
        dropped,
        kept,
        trailing: change.trailing,
        outcome: change.outcome,
    })
}

fn added_layer(change: &Change, compositions: &Compositions) -> Option<AddedLayer> {
    let Input::New(number, _) = change.job.input else {
        return None;
    };
    let edited = compositions.edited(number);
    edited
        .is_none_or(|edited| edited.from.is_none())
        .then(|| AddedLayer {
            layer: change.new.clone(),
            diff_id: change.diff_id.clone(),
            outcome: change.outcome,
        })
}

fn edited_layer(change: &Change, compositions: &Compositions) -> Option<EditedLayer> {
    let Input::New(number, _) = change.job.input else {
        return None;
    };
    let edited = compositions.edited(number)?;
    Some(EditedLayer {
        from: edited.from.clone()?,
        to: change.new.clone(),
        diff_id: change.diff_id.clone(),
        dropped: edited.dropped,
        edited: edited.edited,
        outcome: change.outcome,
    })
}

/// The error for losses that are denied. It names five at most.
fn lossy(losses: &[Loss]) -> Error {
    const SHOWN: usize = 5;
    let shown: Vec<String> = losses.iter().take(SHOWN).map(Loss::to_string).collect();
    let mut message = format!(
        "the format cannot state all that the image states, and losses are denied: {}",
        shown.join("; ")
    );
    if let Some(more) = losses.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        message = format!("{message}; and {more} more");
    }
    Error::new(ErrorKind::Unsupported, message)
}
