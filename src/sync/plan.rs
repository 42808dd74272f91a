use std::collections::HashMap;

use wharf_content::{Error, ErrorKind};
use wharf_reference::Digest;

use super::{
    Destination, Event, IntoDestination, Options, SyncSet, bounded,
    expand::{self, Found},
    occupied, prune,
    reader::Reader,
    report::Failure,
    resolve,
};
use crate::{Client, ImageLocation};

/// The images of a set, what remains to be done for each, and the names that will be removed.
#[derive(Debug)]
#[must_use = "a plan does nothing until it is run"]
pub struct Plan {
    pub(super) images: Vec<PlannedImage>,
    pub(super) failures: Vec<Failure>,
    pub(super) removals: Vec<ImageLocation>,
    pub(super) destination: Destination,
    pub(super) options: Options,
    pub(super) reader: Reader,
    pub(super) writer: Client,
}

/// An image of a plan.
#[derive(Debug)]
#[non_exhaustive]
pub struct PlannedImage {
    /// The image of the set.
    pub from: ImageLocation,
    /// Its location at the destination.
    pub to: ImageLocation,
    /// The digest that it will have there; `None` if it could not be found out.
    pub digest: Option<Digest>,
    /// The work that remains.
    pub action: Action,
}

/// The work that remains for an image.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// It is copied.
    Copy,
    /// Nothing; it is equal at the destination.
    Skip,
    /// Nothing; it could not be compared.
    Fail(Error),
}

impl Plan {
    /// The images, in the order of the set.
    #[must_use]
    pub fn images(&self) -> &[PlannedImage] {
        &self.images
    }

    /// The parts of the set that could not be listed.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The images at the destination whose names will be removed; empty unless [`Options::with_prune`] is set.
    #[must_use]
    pub fn removals(&self) -> &[ImageLocation] {
        &self.removals
    }
}

/// Lists a set, names its images below a destination and compares both sides. Nothing is written.
///
/// ```no_run
/// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
/// use wharf::sync::{Options, SyncSet, plan, run};
///
/// let set = SyncSet::of_repository("quay.io/fedora/fedora")?;
/// let plan = plan(&client, &set, "dir:/srv/mirror", Options::default()).await?;
/// for image in plan.images() {
///     println!("{} to {}: {:?}", image.from, image.to, image.action);
/// }
/// run(plan).await.into_result()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Conflict`] if two images of the set have one name at the destination, if the directory of one would be inside
/// that of another, and if an archive exists; [`ErrorKind::NotFound`] if the set has no image, [`ErrorKind::TooLarge`] for more than 100,000 images, [`ErrorKind::Invalid`] for a name that is none at the
/// destination, and [`ErrorKind::Unsupported`] if directories or archives are to be pruned. Without
/// [`Options::with_keep_going`], the first failure to list or compare images.
pub async fn plan(
    client: &Client,
    set: &SyncSet,
    to: impl IntoDestination,
    options: Options,
) -> Result<Plan, Error> {
    let destination = to.into_destination()?;
    let is_archive = matches!(destination, Destination::Archive { .. });
    if !options.except.is_empty() && !is_archive {
        let message = format!("blobs are left out of an archive alone, and {destination} is none");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    prune::check(&destination, &options)?;
    let reader = Reader::new(client, &set.registries)?;
    let writer = options.writer.clone().unwrap_or_else(|| client.clone());
    let (found, failures) = expand::list(&reader, set, &options).await?;
    if found.is_empty() && failures.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "the set has no image"));
    }
    let located = locate(found, &destination, &options)?;
    occupied::check(&destination, &located).await?;
    options.report(Event::Listed { count: located.len() });
    let images = compare(&reader, &writer, located, &options).await?;
    let mut plan = Plan {
        images,
        failures,
        removals: Vec::new(),
        destination,
        options,
        reader,
        writer,
    };
    if plan.options.prune {
        plan.removals = prune::removals(&plan, set).await?;
    }
    Ok(plan)
}

/// Names the images at the destination. An image that is in the set twice is copied once.
fn locate(
    found: Vec<Found>,
    destination: &Destination,
    options: &Options,
) -> Result<Vec<(ImageLocation, ImageLocation)>, Error> {
    let mut taken: HashMap<String, ImageLocation> = HashMap::new();
    let mut located = Vec::new();
    for Found { from, full } in found {
        let name = options.naming.name(&from, &full)? + &options.suffix;
        let to = destination.locate(&name).map_err(|error| {
            let message = format!("{from} cannot be copied to {destination} as {name:?}");
            Error::new(error.kind(), message).with_source(error)
        })?;
        match taken.insert(to.to_string(), from.clone()) {
            None => located.push((from, to)),
            Some(other) if other == from => {}
            Some(other) => {
                let message = format!(
                    "{other} and {from} would both be {to}: copy them to different destinations, or give them other names"
                );
                return Err(Error::new(ErrorKind::Conflict, message));
            }
        }
    }
    Ok(located)
}

async fn compare(
    reader: &Reader,
    writer: &Client,
    located: Vec<(ImageLocation, ImageLocation)>,
    options: &Options,
) -> Result<Vec<PlannedImage>, Error> {
    let work = |(from, to): (ImageLocation, ImageLocation)| {
        let (reader, writer, options) = (reader.clone(), writer.clone(), options.clone());
        async move {
            let compared = resolve::compare(&reader, &writer, &from, &to, &options.copy).await;
            let (digest, action) = match compared {
                Ok((digest, action)) => (Some(digest), action),
                Err(error) => (None, Action::Fail(error)),
            };
            let (from_ref, to_ref, action_ref) = (&from, &to, &action);
            options.report(Event::Planned {
                from: from_ref,
                to: to_ref,
                action: action_ref,
            });
            PlannedImage {
                from,
                to,
                digest,
                action,
            }
        }
    };
    let keep_going = options.keep_going;
    let fine = |image: &PlannedImage| keep_going || !matches!(image.action, Action::Fail(_));
    let compared = bounded::each(located, options.at_once, work, fine).await;
    let mut images = Vec::with_capacity(compared.len());
    let mut is_whole = true;
    for image in compared {
        match image {
            Some(PlannedImage {
                from,
                action: Action::Fail(error),
                ..
            }) if !keep_going => return Err(Failure::new(from.to_string(), error).into_error()),
            Some(image) => images.push(image),
            None => is_whole = false,
        }
    }
    if is_whole {
        return Ok(images);
    }
    let message = "the comparison of an image broke off";
    Err(Error::new(ErrorKind::Other, message))
}
