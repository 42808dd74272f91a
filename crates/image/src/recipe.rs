use wharf_content::{Error, ErrorKind, Platform};

use crate::{Format, Layers};

/// The changes to make to an image on its way from a source to a sink. Without a change every byte stays.
///
/// ```
/// use wharf_content::Platform;
/// use wharf_image::{Format, Recipe};
///
/// let recipe = Recipe::new()
///     .format(Format::Docker)
///     .platforms([Platform::new("linux", "amd64"), Platform::new("linux", "arm64")])
///     .deny_loss(true);
/// assert!(recipe.changes());
/// ```
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a recipe does nothing until an image is prepared with it"]
pub struct Recipe {
    pub(crate) format: Option<Format>,
    pub(crate) layers: Layers,
    pub(crate) selected: Option<Platform>,
    pub(crate) platforms: Vec<Platform>,
    pub(crate) annotations: Vec<(Scope, String, String)>,
    pub(crate) preserve: bool,
    pub(crate) deny_loss: bool,
    pub(crate) as_skopeo: bool,
    pub(crate) docker_zstd: bool,
    pub(crate) trust_magic: bool,
}

/// The manifests that an annotation is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// The manifest or index that the target means, after a selection.
    Root,
    /// Every image, and no index.
    Each,
    /// The images for this platform, as the index states it, or the config of an image that is in no index.
    Platform(Platform),
}

impl Recipe {
    /// A recipe that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Converts all manifests, indexes, configs and layers to the media types of this format. Config bytes stay, and
    /// so does the image ID; layers stay. A manifest that is in the format already keeps its bytes.
    ///
    /// Facts that the format cannot state are lost; [`Report::losses`](crate::Report::losses) lists them.
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets the compression of layers. New layers have the type of their compression, in the format of the image;
    /// annotations that point into the old bytes go.
    pub fn layers(mut self, layers: Layers) -> Self {
        self.layers = layers;
        self
    }

    /// Takes the image for this platform instead of an index, with its digest unchanged unless another step changes
    /// it. An image that is not in an index is taken whatever its platform.
    pub fn select(mut self, platform: Platform) -> Self {
        self.selected = Some(platform);
        self
    }

    /// Shortens every index to the best entry for each of these platforms ([`Platform::choose`]), in the order of the
    /// index, and the attestations of these images (`vnd.docker.reference.digest`). An index of which an entry goes
    /// has a new digest. Indexes in which nothing is left are dropped.
    pub fn platforms(mut self, platforms: impl IntoIterator<Item = Platform>) -> Self {
        self.platforms = platforms.into_iter().collect();
        self
    }

    /// Adds or replaces an annotation of manifests.
    pub fn annotate(mut self, scope: Scope, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.push((scope, key.into(), value.into()));
        self
    }

    /// Sets whether the digests must stay as they are: a recipe with a change is then refused. Default: `false`.
    pub fn preserve(mut self, preserve: bool) -> Self {
        self.preserve = preserve;
        self
    }

    /// Sets whether it is an error if the [format](Self::format) cannot state something that the image states.
    /// Default: `false`, losses are reported.
    pub fn deny_loss(mut self, deny: bool) -> Self {
        self.deny_loss = deny;
        self
    }

    /// Sets whether a config that comes from Docker's format to OCI's is written anew as Skopeo writes it: compact,
    /// in the order of OCI's specification, without the members that the specification does not have. Manifests and
    /// configs then have the digests that Skopeo's have, if no layer is compressed anew. The image ID changes, and
    /// among others the health check is lost. The bytes are those of Skopeo 1.9; 1.22 leaves out an empty `config`, has
    /// `variant` behind `os.features`, and writes backspace and form feed in short. Default: `false`, the config's bytes
    /// stay.
    pub fn as_skopeo(mut self, as_skopeo: bool) -> Self {
        self.as_skopeo = as_skopeo;
        self
    }

    /// Sets whether layers that are compressed with zstd may get Docker's type for it. Docker's own tools write it,
    /// but its older clients, Podman and Skopeo refuse it in part. Default: `false`, the format is then refused for
    /// such images.
    pub fn allow_docker_zstd(mut self, allow: bool) -> Self {
        self.docker_zstd = allow;
        self
    }

    /// Sets whether a layer that is encoded anew is read as its first bytes say, if its type says otherwise, as Go's
    /// tools do. The new layer has the true type. Default: `false`, it is an error, because other readers see another
    /// layer.
    pub fn trust_magic(mut self, trust: bool) -> Self {
        self.trust_magic = trust;
        self
    }

    /// True if a step of the recipe changes documents, so that digests may change. A selection does not.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.format.is_some()
            || self.layers != Layers::Keep
            || !self.platforms.is_empty()
            || !self.annotations.is_empty()
    }

    /// Checks what needs no image.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.preserve && self.changes() {
            let message =
                "the digests are to be preserved, and the image is to be changed; only one is possible";
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        if self.annotations.iter().any(|(_, key, _)| key.is_empty()) {
            return Err(Error::new(ErrorKind::Invalid, "an annotation has no key"));
        }
        Ok(())
    }
}
