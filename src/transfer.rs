use std::sync::Arc;

use wharf_content::{Error, Name, Sink, Source, Target};
use wharf_copy::{Options, Report, copy};
use wharf_reference::Reference;
use wharf_store::Layout;

use crate::{Client, Image, client::parse};

/// What [`Client::pull`] did.
#[derive(Debug, Clone)]
#[must_use]
pub struct Pulled {
    reference: Reference,
    name: Name,
    report: Report,
}

impl Pulled {
    /// What was pulled, in full.
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// What it is called in the store.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// What moved.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }
}

impl Client {
    /// Pulls an image into a store. Without a name in the options it is called by its full reference there.
    ///
    /// # Errors
    ///
    /// [`wharf_content::ErrorKind::NotFound`] if there is no such image or none for the platform,
    /// [`wharf_content::ErrorKind::Mismatch`] if the registry sends other bytes than it promised, and the
    /// failures of registry and store. The store has the whole image under its name or not at all.
    pub async fn pull(&self, reference: &str, store: &Layout, options: Options) -> Result<Pulled, Error> {
        let reference = parse(reference)?.or_latest();
        let name = options.name().cloned().unwrap_or_else(|| Name::from(&reference));
        let source = self.inner.client.remote(&reference.repository());
        let options = options.with_name(name.clone());
        let report = copy(
            Arc::new(source),
            Arc::new(store.clone()),
            &Target::of(&reference),
            options,
        )
        .await?;
        Ok(Pulled {
            reference,
            name,
            report,
        })
    }

    /// Pushes an image that a store has under `name`. Without a tag or digest in `reference` it gets the tag
    /// `latest`; a name in the options is ignored.
    ///
    /// # Errors
    ///
    /// [`wharf_content::ErrorKind::NotFound`] if the store has no such image, and the failures of registry and
    /// store. The tag is set last, when everything is there.
    pub async fn push<S>(
        &self,
        store: &S,
        name: &Name,
        reference: &str,
        options: Options,
    ) -> Result<Report, Error>
    where
        S: Source + Clone + 'static,
    {
        let reference = parse(reference)?.or_latest();
        let sink = self.inner.client.remote(&reference.repository());
        let target = name.clone().into();
        let options = tagged(options, &reference);
        copy(Arc::new(store.clone()), Arc::new(sink), &target, options).await
    }

    /// Copies an image from one place to another. In a store without a name in `to`, the image is called by its
    /// full reference if it comes from a registry, and has no name otherwise.
    ///
    /// # Errors
    ///
    /// As [`Client::pull`] and [`Client::push`].
    pub async fn copy(&self, from: &Image, to: &Image, options: Options) -> Result<Report, Error> {
        let place = self.place(from).await?;
        let (sink, options): (Arc<dyn Sink>, Options) = match to {
            Image::Registry(reference) => {
                let reference = parse(reference)?.or_latest();
                let remote = self.inner.client.remote(&reference.repository());
                (Arc::new(remote), tagged(options, &reference))
            }
            Image::Store { directory, name } => {
                let name = match (name, from) {
                    (Some(name), _) => Some(name.clone()),
                    (None, Image::Registry(reference)) => Some(Name::from(&parse(reference)?.or_latest())),
                    (None, Image::Store { name, .. }) => name.clone(),
                };
                let options = match name {
                    Some(name) => options.with_name(name),
                    None => options,
                };
                (Arc::new(Layout::create(directory).await?), options)
            }
        };
        copy(place.source, sink, &place.target, options).await
    }
}

/// Options for a push: the tag of the reference, if it has one.
fn tagged(options: Options, reference: &Reference) -> Options {
    match reference.tag() {
        Some(tag) => options.with_name(tag.into()),
        None => options.without_name(),
    }
}
