use std::ops::RangeBounds;

use wharf_content::{Error, ErrorKind, History, Platform};

use wharf_layer::tar::{Member, MemberEdit};

use crate::{Base, Edit, Format, Layers, NewLayer, compose::Step, layers::Decide};

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
#[derive(Debug, Clone, Default)]
#[must_use = "a recipe does nothing until an image is prepared with it"]
pub struct Recipe {
    pub(crate) format: Option<Format>,
    pub(crate) layers: Layers,
    pub(crate) selected: Option<Platform>,
    pub(crate) platforms: Vec<Platform>,
    pub(crate) steps: Vec<Step>,
    pub(crate) annotations: Vec<(Scope, String, String)>,
    pub(crate) only: Vec<Platform>,
    pub(crate) created: Option<String>,
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

    /// Works the steps off on the best image of an index for each of these platforms ([`Platform::choose`]) alone; the other
    /// images, and the index but for the entries of those, stay as they are. An image that is not in an index is changed
    /// whatever its platform. Default: every image is changed.
    ///
    /// ```
    /// use wharf_content::Platform;
    /// use wharf_image::{Recipe, Set};
    ///
    /// let recipe = Recipe::new().only([Platform::new("linux", "arm64")]).edit(Set::User(Some("1000".into())));
    /// # let _ = recipe;
    /// ```
    pub fn only(mut self, platforms: impl IntoIterator<Item = Platform>) -> Self {
        self.only = platforms.into_iter().collect();
        self
    }

    /// Edits the config of each image.
    ///
    /// ```
    /// use wharf_image::{Entries, Recipe, Set};
    ///
    /// let recipe = Recipe::new()
    ///     .edit(Set::User(Some("1000".into())))
    ///     .edit([Set::Env(Entries::Remove("DEBUG".into())), Set::Label(Entries::Add(("team".into(), "a".into())))]);
    /// assert!(recipe.changes());
    /// ```
    ///
    /// The steps `edit`, [`append`](Self::append), [`remove`](Self::remove), [`members`](Self::members), [`squash`](Self::squash) and [`rebase`](Self::rebase) are worked off in
    /// the order of the calls, before everything else in the recipe, on each container image; other content of an index
    /// is [passed](crate::Report::passed). An image that they change has no attestations any more
    /// ([`Report::dropped_attestations`](crate::Report::dropped_attestations)).
    pub fn edit(mut self, edit: impl Into<Edit>) -> Self {
        self.steps.push(Step::Edit(edit.into()));
        self
    }

    /// Adds a layer on top of those of each image, with its entry of the history.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use wharf_content::{History, ImageBuilder, Platform};
    /// use wharf_image::{NewLayer, Options, Recipe, Set, prepare};
    /// use wharf_store::Memory;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let scratch = ImageBuilder::for_platform(Platform::new("linux", "amd64")).build()?; // an image without layers
    /// # let tar = vec![0; 1024];
    /// let recipe = Recipe::new()
    ///     .append(NewLayer::from_bytes(tar), History::default().with_created_by("COPY . /"))
    ///     .edit(Set::Cmd(Some(vec!["/app".into()])));
    /// let (sink, target) = (Arc::new(Memory::new()), scratch.digest().into());
    /// let prepared = prepare(Arc::new(scratch), sink, &target, &recipe, &Options::default()).await?;
    /// assert_eq!(prepared.root().layers().len(), 1);
    /// # Ok::<(), wharf_content::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The media type of the layer is of the format of the image. A layer that is compressed keeps its bytes, and a plain
    /// tar is compressed with gzip, unless [`layers`](Self::layers) says otherwise. The content must be a tar. An image
    /// that has layers and no history gets no history: readers count its entries from the lowest layer.
    ///
    /// A layer that can be read once is written to the sink as it is read, whatever its size, or else to the scratch
    /// store; with neither, preparation fails.
    pub fn append(mut self, layer: NewLayer, history: History) -> Self {
        self.steps.push(Step::Append(layer, history));
        self
    }

    /// Removes a layer of each image, and its entry of the history. Layers are counted from one, lowest first, as the
    /// steps before have left them. The files of the layer are no longer in the image, and what it hid of those below
    /// is visible.
    pub fn remove(mut self, number: usize) -> Self {
        self.steps.push(Step::Remove(number));
        self
    }

    /// Edits the members of all layers of each image: a function decides whether a member is kept, dropped, or gets other
    /// metadata, such as another time or owner.
    ///
    /// ```
    /// use wharf_image::{Recipe, tar::{MemberEdit, Time}};
    ///
    /// // Without a file, and with no time later than this one.
    /// let latest = Time::new(1_767_225_600, 0);
    /// let recipe = Recipe::new().members(move |member| match member.name() {
    ///     b"root/.netrc" => MemberEdit::Drop,
    ///     _ if member.modified() > latest => member.clone().with_modified(latest).into(),
    ///     _ => MemberEdit::Keep,
    /// });
    /// ```
    ///
    /// The function is asked for each member of each layer, whiteouts among them, in the order of the layers, and must answer
    /// the same each time. A file is dropped from the layers in which its member is dropped: where one above has the
    /// only member, that of a layer below is visible again. Members of a directory are members of their own.
    ///
    /// A layer in which nothing changes keeps its bytes. To learn that, all layers are read first, and those that change
    /// are read a second time; a layer that was added and can be read once is read once, and written anew. Memory does not grow
    /// with the size of layers. A layer that changes has the compression that it had, unless [`layers`](Self::layers) says otherwise,
    /// and members that are kept keep the bytes of their headers. The config names its new `diff_id`; the history stays.
    ///
    /// Preparation fails with [`ErrorKind::Conflict`] if a hard link is kept whose target is dropped,
    /// [`ErrorKind::Invalid`] for an edit that changes the name, kind or size of a member, and
    /// [`ErrorKind::Unsupported`] for an image with a non-distributable layer.
    pub fn members(mut self, decide: impl Fn(&Member) -> MemberEdit + Send + Sync + 'static) -> Self {
        self.steps.push(Step::Members(Decide::new(decide)));
        self
    }

    /// Makes one layer of those in a range, which are counted from one, lowest first, as the steps before have left them:
    /// `..` for all, `3..` for the third and those above it. A range of one layer changes nothing.
    ///
    /// The files are the same as before; what the layers themselves hide is in none of them, and what they hide of those
    /// below stays hidden. The history of the range becomes one entry, with the old ones in its comment. The config stays. The layer is
    /// compressed with gzip, unless [`layers`](Self::layers) says otherwise.
    ///
    /// The layers of the range, and those below it, are read twice; memory grows with the number of their files. A layer that is
    /// added and can be read once is refused.
    pub fn squash(mut self, range: impl RangeBounds<usize>) -> Self {
        let range = (range.start_bound().cloned(), range.end_bound().cloned());
        self.steps.push(Step::Squash(range));
        self
    }

    /// Puts the layers of a new base in the place of those of the old one, without any of them being read.
    ///
    /// The `diff_ids` of the old base must be the first ones of the image. The config stays that of the image, but for
    /// the platform, which the new base states, and the history: as many entries as the old base has are replaced with
    /// those of the new one. In OCI's format, the annotations that name the base are renewed. An image whose old
    /// base is the new one too is not changed.
    pub fn rebase(mut self, old: Base, new: Base) -> Self {
        self.steps.push(Step::Rebase { old, new });
        self
    }

    /// Sets the time that entries of the history get which the steps add and which state none, as RFC 3339 writes it:
    /// `2026-01-01T00:00:00Z`. Default: that of [`Options::with_created`](crate::Options::with_created), or none. The clock is never
    /// read.
    pub fn history_created(mut self, time: impl Into<String>) -> Self {
        self.created = Some(time.into());
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
            || !self.steps.is_empty()
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
        self.steps.iter().try_for_each(Step::check)
    }
}
