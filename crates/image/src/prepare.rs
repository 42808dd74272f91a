use std::{collections::HashMap, sync::Arc};

use wharf_content::{Error, ErrorKind, Sink, Source, Target};

use crate::{
    Loss, Options, Prepared, Recipe, Report,
    graph::Graph,
    prepared::Content,
    rewrite::{Rewriter, Rewritten},
};

/// Applies a recipe to the image that `target` means in `source`, and returns the changed image as a source, from
/// which it is copied to the sink.
///
/// Manifests, and the configs of images that change, are read; the gate judges the manifests, and the sink is asked
/// whether it can store every type that results, before anything is written.
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
/// fit its config; the errors of the source.
pub async fn prepare(
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    target: &Target,
    recipe: &Recipe,
    options: &Options,
) -> Result<Prepared, Error> {
    recipe.check()?;
    let graph = Graph::read(&*source, target, recipe, options).await?;
    let rewritten = Rewriter::run(&graph, recipe)?;
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
    finish(source, target, graph, rewritten).await
}

/// Joins the old documents and the new ones.
async fn finish(
    source: Arc<dyn Source>,
    target: &Target,
    graph: Graph,
    rewritten: Rewritten,
) -> Result<Prepared, Error> {
    let original = graph.root().descriptor().clone();
    let root = rewritten
        .manifests
        .get(original.digest())
        .unwrap_or(graph.root())
        .clone();
    let is_changed = root.digest() != original.digest();
    let dropped_referrers = if is_changed {
        // A number for the report is no reason to fail.
        source
            .referrers(original.digest())
            .await
            .ok()
            .map(|list| list.len())
    } else {
        Some(0)
    };
    let new: HashMap<_, _> = rewritten
        .manifests
        .into_values()
        .map(|manifest| (manifest.digest().clone(), manifest))
        .collect();
    let mut made: HashMap<_, _> = new.keys().map(|digest| (digest.clone(), None)).collect();
    let configs = rewritten.configs.into_iter();
    made.extend(configs.map(|(config, bytes)| (config.digest().clone(), Some(bytes))));
    let report = Report {
        original,
        root: root.descriptor().clone(),
        losses: rewritten.losses,
        dropped_referrers,
        warnings: graph.warnings,
    };
    let mut manifests = graph.manifests;
    manifests.extend(new);
    let content = Content {
        source,
        asked: target.clone(),
        root,
        manifests,
        made,
        report,
    };
    Ok(Prepared {
        content: Arc::new(content),
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
