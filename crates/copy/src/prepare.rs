use std::sync::Arc;

use tokio::task::JoinSet;
use wharf_content::{
    Descriptor, Error, ErrorKind, Event, MAX_DEPTH, Manifest, Platform, Role, Sink, Source, SourceExt as _,
    Target, choose_image,
};

use crate::{
    Action, Options, Plan, Selection, Step,
    ends::Ends,
    levels::levels,
    parallel::{each, joined},
    signatures::SignaturePlan,
    walk::Walk,
};

/// Plans the copy of `target`: reads its manifests and asks the sink what it has. Writes nothing.
///
/// # Errors
///
/// As [`copy`](crate::copy()).
pub async fn plan(
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    target: &Target,
    options: Options,
) -> Result<Plan, Error> {
    let mut plan = walk(source, sink, target, options).await?;
    plan.ask().await?;
    Ok(plan)
}

/// Makes a plan in which blobs are still to be asked for ([`Action::Ask`]), unless the sink answers from
/// its cache: the execution asks while other blobs move, so the first byte is sent one round trip earlier.
pub(crate) async fn walk(
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    target: &Target,
    options: Options,
) -> Result<Plan, Error> {
    let gates = options.gates.clone().into();
    let ends = Ends { source, sink, gates };
    let top = ends.source.checked_manifest(target).await?;
    let resolved = top.descriptor().clone();
    options.progress.event(Event::Resolved {
        target,
        descriptor: &resolved,
    });
    let (root, platform, present) = root(&ends, top, &options.selection).await?;
    let role = if *root.descriptor() == resolved {
        Role::Target
    } else {
        let index = resolved.digest().clone();
        Role::Instance { index }
    };
    ends.admit(&root, &role).await?;

    let mut walk = Walk::new(&ends, &options);
    let present = if root.is_index() {
        // The sink is asked for the images of the index in any case, so the walk does not wait for this
        // answer.
        let mut question = JoinSet::new();
        question.spawn(is_there(ends.clone(), root.descriptor().clone()));
        let below = walk.below_root(&root, false).await;
        let present = joined(&mut question).await;
        below?;
        present?.unwrap_or_default()
    } else {
        let present = match present {
            Some(known) => known,
            None => ends.sink.contains(root.descriptor()).await?,
        };
        walk.below_root(&root, present).await?;
        present
    };
    let manifests = walk.manifests.clone();
    let mut groups = levels(std::mem::take(&mut walk.pending), MAX_DEPTH - 1)?;
    if let Some(wanted) = &options.referrers {
        walk.referrers(wanted).await?;
        groups.extend(levels(std::mem::take(&mut walk.pending), MAX_DEPTH)?);
    }
    let (signatures, left_out) = SignaturePlan::make(&ends, &options, &root, manifests).await?;
    for message in left_out {
        walk.warn(message);
    }
    let Walk {
        mut steps, warnings, ..
    } = walk;
    for manifest in groups.iter().flatten() {
        steps.push(Step {
            descriptor: manifest.descriptor().clone(),
            action: Action::Copy,
        });
    }
    steps.push(Step {
        descriptor: root.descriptor().clone(),
        action: if present { Action::Skip } else { Action::Copy },
    });
    let mut plan = Plan {
        ends,
        options,
        resolved,
        platform,
        root,
        steps,
        levels: groups,
        signatures,
        warnings,
    };
    plan.check()?;
    plan.skip_cached().await?;
    Ok(plan)
}

async fn is_there(ends: Ends, descriptor: Descriptor) -> Result<bool, Error> {
    ends.sink.contains(&descriptor).await
}

/// The manifest that the name in the sink will mean, the platform for which it was chosen, and
/// whether the sink has it; `None` if that was not asked.
async fn root(
    ends: &Ends,
    top: Manifest,
    selection: &Selection,
) -> Result<(Manifest, Option<Platform>, Option<bool>), Error> {
    if *selection == Selection::IndexOnly && top.is_index() && !ends.gates.is_empty() {
        let message = "the images of the index would have to be judged, and only the index was selected";
        return Err(Error::new(ErrorKind::Rejected, message));
    }
    let Selection::Platform(wanted) = selection else {
        return Ok((top, None, None));
    };
    if !top.is_index() {
        return Ok((top, None, None));
    }
    let chosen = choose_image(&*ends.source, &top, wanted).await?;
    let present = ends.sink.contains(&chosen).await?;
    let manifest = ends.read(&chosen, present).await?;
    Ok((manifest, chosen.platform().cloned(), Some(present)))
}

impl Plan {
    /// Checks, before anything is written, that every step can be copied unchanged.
    fn check(&self) -> Result<(), Error> {
        for step in self.steps.iter().filter(|step| step.is_open()) {
            let digest = step.descriptor.digest();
            if !digest.algorithm().is_supported() {
                let message = format!("{digest} cannot be verified; only sha256 and sha512 can");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            self.ends.sink.accepts(&step.descriptor)?;
        }
        let size = self.total().bytes;
        match self.options.max_size {
            Some(limit) if size > limit => {
                let message = format!("the image has {size} bytes, more than the limit of {limit}");
                Err(Error::new(ErrorKind::TooLarge, message))
            }
            _ => Ok(()),
        }
    }

    /// Applies the answers that the sink has without I/O per blob.
    async fn skip_cached(&mut self) -> Result<(), Error> {
        let open = self.unanswered().cloned().collect::<Vec<_>>();
        if !open.is_empty() {
            let answers = self.ends.sink.contains_cached(&open).await?;
            self.apply(answers);
        }
        Ok(())
    }

    /// Asks the sink for every blob that it could not answer from its cache.
    async fn ask(&mut self) -> Result<(), Error> {
        let questions = self
            .unanswered()
            .map(|descriptor| is_there(self.ends.clone(), descriptor.clone()))
            .collect();
        let answers = each(self.options.concurrency, questions).await?;
        self.apply(answers.into_iter().map(Some));
        Ok(())
    }

    fn unanswered(&self) -> impl Iterator<Item = &Descriptor> {
        let steps = self.steps.iter().filter(|step| step.action == Action::Ask);
        steps.map(|step| &step.descriptor)
    }

    /// Applies the answers to the steps that are unanswered, in the order of the steps.
    fn apply(&mut self, answers: impl IntoIterator<Item = Option<bool>>) {
        let ends = &self.ends;
        let absent = |descriptor: &Descriptor| match ends.mountable(descriptor) {
            Some(_) => Action::Mount,
            None => Action::Copy,
        };
        let open = self.steps.iter_mut().filter(|step| step.action == Action::Ask);
        for (step, answer) in open.zip(answers) {
            step.action = match answer {
                Some(true) => Action::Skip,
                Some(false) => absent(&step.descriptor),
                None => Action::Ask,
            };
        }
    }
}
