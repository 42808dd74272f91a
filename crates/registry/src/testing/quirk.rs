use std::time::Duration;

/// A way in which real registries differ from the specification or from each other. Given to
/// [`Registry::with_quirk`](crate::Registry::with_quirk), for tests of clients that must cope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quirk {
    /// A PATCH with more bytes than this is answered 413.
    PatchLimit(u64),
    /// `OCI-Chunk-Min-Length` asks for chunks of at least so many bytes, and a shorter PATCH is answered 416.
    ChunkMinimum(u64),
    /// A chunk with `Content-Range` is answered 400: only whole uploads and streams work.
    NoChunks,
    /// The `Range` of every answer to PATCH is that of the first.
    FirstChunkRange,
    /// A mount is always answered 202.
    NoMount,
    /// A blob sent with POST is answered 202, and its bytes are ignored.
    NoSinglePost,
    /// There is no referrers API: 404, and no `OCI-Subject`.
    NoReferrers,
    /// The referrers API ignores `artifactType`.
    NoReferrersFilter,
    /// `?tag=` of a manifest's PUT is ignored.
    NoTagParameter,
    /// `Range` of a blob's GET is ignored.
    NoRange,
    /// A manifest's PUT is answered without `Location`.
    NoManifestLocation,
    /// Nothing is answered with `Docker-Content-Digest`.
    NoDigestHeader,
    /// HEAD of a manifest is answered 404.
    NoManifestHead,
    /// A tag `sha256-<hex>` that does not exist is the manifest with that digest.
    DigestTags,
    /// A repository without tags has `"tags": null`.
    NullTags,
    /// Lists of tags come in one piece, whatever `n` says.
    NoPages,
    /// Challenges come without `service`.
    NoService,
    /// A token that allows too little is challenged with another realm, `/token/scoped`, which works too.
    ScopedRealm,
    /// Answers set a cookie.
    SetsCookie,
    /// A request that brings a cookie is answered 403.
    RefusesCookies,
    /// After so many GETs of manifests, each further one within six hours is answered 429. HEAD is free.
    PullLimit(u64),
    /// Errors come as HTML.
    HtmlErrors,
}

impl Quirk {
    /// The window in which [`Quirk::PullLimit`] counts pulls.
    pub(crate) const PULL_WINDOW: Duration = Duration::from_secs(6 * 60 * 60);
}

/// A known registry, as a set of [quirks](Quirk). Its behaviour was observed from outside; it is a help for
/// tests, not a statement about a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Docker Hub: pulls are counted by GET of a manifest.
    DockerHub,
    /// GitHub's registry: at most 4 MiB in one PATCH.
    Ghcr,
    /// Amazon's private registry: no `Location` for manifests, mounts refused. Its challenge is Basic.
    Ecr,
    /// Amazon's public registry: the `Range` of a PATCH stays that of the first chunk.
    EcrPublic,
    /// Google's artifact registry: no chunks.
    Gar,
    /// GitLab's registry: no referrers, digests as tags.
    GitLab,
    /// Artifactory: chunks have a minimum; tags come in one piece.
    Artifactory,
    /// Quay: cookies; no tags are `null`.
    Quay,
    /// Harbor: a cookie is taken for a browser's session.
    Harbor,
    /// NVIDIA's registry: no `service`, another realm for more scope.
    Nvcr,
    /// Docker's registry, version 2: no referrers, no `?tag=`.
    Distribution2,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 11] = [
        Self::DockerHub,
        Self::Ghcr,
        Self::Ecr,
        Self::EcrPublic,
        Self::Gar,
        Self::GitLab,
        Self::Artifactory,
        Self::Quay,
        Self::Harbor,
        Self::Nvcr,
        Self::Distribution2,
    ];

    /// The differences from the specification.
    #[must_use]
    pub const fn quirks(self) -> &'static [Quirk] {
        match self {
            Self::DockerHub => &[Quirk::PullLimit(100)],
            Self::Ghcr => &[Quirk::PatchLimit(4 * 1024 * 1024)],
            Self::Ecr => &[Quirk::NoManifestLocation, Quirk::NoMount],
            Self::EcrPublic => &[Quirk::FirstChunkRange, Quirk::NoMount],
            Self::Gar => &[Quirk::NoChunks],
            Self::GitLab => &[Quirk::NoReferrers, Quirk::NoTagParameter, Quirk::DigestTags],
            Self::Artifactory => &[Quirk::ChunkMinimum(1024 * 1024), Quirk::NoPages],
            Self::Quay => &[Quirk::SetsCookie, Quirk::NullTags],
            Self::Harbor => &[Quirk::SetsCookie, Quirk::RefusesCookies],
            Self::Nvcr => &[Quirk::NoService, Quirk::ScopedRealm],
            Self::Distribution2 => &[Quirk::NoReferrers, Quirk::NoTagParameter, Quirk::NullTags],
        }
    }
}
