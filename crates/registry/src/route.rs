//! The routes: what the path of a request names. Names contain slashes, so paths are read from their end.

use wharf_reference::{Digest, Tag};

use crate::{ErrorCode, RepositoryPath, error::ApiError, percent};

/// Reads a repository's path from its percent-encoded form in a request's path. Fails if an escape or the
/// name is invalid.
fn unescape(text: &str) -> Result<RepositoryPath, ApiError> {
    let text = percent::decode(text).ok_or_else(invalid_escape)?;
    RepositoryPath::parse(&text).map_err(|_| ApiError::bad(ErrorCode::NameInvalid, "invalid repository name"))
}

/// A manifest by tag or by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ManifestReference {
    Tag(Tag),
    Digest(Digest),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RepositoryRoute {
    Manifest(ManifestReference),
    Blob(Digest),
    Uploads,
    Upload(String),
    Tags,
    Referrers(Digest),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/_oci/ext/discover`
    Extensions,
    /// `/token`
    Token,
    Repository(RepositoryPath, RepositoryRoute),
}

impl Route {
    /// Parses the raw path of a request. Escapes are undone here, once, and nowhere else: rights are checked
    /// for the result.
    ///
    /// | escape | is read |
    /// |---|---|
    /// | of an unreserved character (`%61`) | as the character, everywhere (RFC 3986, 6.2.2.2) |
    /// | `%2F` in a repository's name | as the slash that it stands for |
    /// | `%2F` between the parts of a path, or in its last one | as no separator, so that nothing is there |
    /// | `%3A` in a digest | as the colon |
    /// | any other, or an escape of an escape (`%252F`) | as a character that no name has |
    pub(crate) fn parse(path: &str) -> Result<Self, ApiError> {
        let unknown = || ApiError::missing(ErrorCode::Unsupported, "there is nothing at this path");
        let path = &*percent::normalise(path).ok_or_else(invalid_escape)?;
        match path {
            "/v2/" | "/v2" => return Ok(Self::Base),
            "/v2/_catalog" => return Ok(Self::Catalog),
            "/v2/_oci/ext/discover" => return Ok(Self::Extensions),
            "/token" => return Ok(Self::Token),
            _ => {}
        }
        let rest = path.strip_prefix("/v2/").ok_or_else(unknown)?;
        let (rest, last) = rest.rsplit_once('/').ok_or_else(unknown)?;
        let (name, kind) = rest.rsplit_once('/').ok_or_else(unknown)?;
        let last = &*percent::decode(last).ok_or_else(invalid_escape)?;
        if rest.ends_with("/blobs/uploads") {
            let name = name.strip_suffix("/blobs").ok_or_else(unknown)?;
            let route = if last.is_empty() {
                RepositoryRoute::Uploads
            } else {
                RepositoryRoute::Upload(last.to_owned())
            };
            return Ok(Self::Repository(unescape(name)?, route));
        }
        let route = match (kind, last) {
            ("tags", "list") => RepositoryRoute::Tags,
            ("blobs", "uploads") => RepositoryRoute::Uploads,
            ("blobs", digest) => RepositoryRoute::Blob(parse_digest(digest)?),
            ("referrers", digest) => RepositoryRoute::Referrers(parse_digest(digest)?),
            ("manifests", target) => RepositoryRoute::Manifest(parse_target(target)?),
            _ => return Err(unknown()),
        };
        Ok(Self::Repository(unescape(name)?, route))
    }
}

fn invalid_escape() -> ApiError {
    ApiError::bad(
        ErrorCode::Unsupported,
        "an escape in the path is not the percent-encoding of UTF-8 text",
    )
}

/// A digest that content can be verified with.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, ApiError> {
    match Digest::parse(text) {
        Ok(digest) if digest.algorithm().is_supported() => Ok(digest),
        Ok(_) => Err(ApiError::bad(
            ErrorCode::DigestInvalid,
            "this digest algorithm is not supported; use sha256 or sha512",
        )),
        Err(_) => Err(ApiError::bad(ErrorCode::DigestInvalid, "invalid digest")),
    }
}

fn parse_target(text: &str) -> Result<ManifestReference, ApiError> {
    if text.contains(':') {
        return parse_digest(text).map(ManifestReference::Digest);
    }
    Tag::parse(text)
        .map(ManifestReference::Tag)
        .map_err(|_| ApiError::bad(ErrorCode::ManifestInvalid, "invalid tag"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn paths_are_read_from_their_end() {
        let digest = Digest::parse(&format!("sha256:{HEX}")).unwrap();
        let repository = |name: &str, route| Route::Repository(RepositoryPath::parse(name).unwrap(), route);
        let tag = |text: &str| RepositoryRoute::Manifest(ManifestReference::Tag(Tag::parse(text).unwrap()));
        let cases = [
            ("/v2".to_owned(), Route::Base),
            ("/v2/".to_owned(), Route::Base),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            (
                "/v2/a/tags/list".to_owned(),
                repository("a", RepositoryRoute::Tags),
            ),
            (
                "/v2/a/b/c/manifests/v1".to_owned(),
                repository("a/b/c", tag("v1")),
            ),
            (
                "/v2/manifests/manifests/manifests".to_owned(),
                repository("manifests", tag("manifests")),
            ),
            (
                "/v2/a/blobs/uploads/".to_owned(),
                repository("a", RepositoryRoute::Uploads),
            ),
            (
                "/v2/a/blobs/uploads".to_owned(),
                repository("a", RepositoryRoute::Uploads),
            ),
            (
                "/v2/a/blobs/uploads/id".to_owned(),
                repository("a", RepositoryRoute::Upload("id".into())),
            ),
            (
                "/v2/a/blobs/uploads/tags/list".to_owned(),
                repository("a/blobs/uploads", RepositoryRoute::Tags),
            ),
            (
                format!("/v2/a/blobs/sha256:{HEX}"),
                repository("a", RepositoryRoute::Blob(digest.clone())),
            ),
            (
                format!("/v2/a/referrers/sha256:{HEX}"),
                repository("a", RepositoryRoute::Referrers(digest.clone())),
            ),
            (
                format!("/v2/a/blobs/sha256%3A{HEX}"),
                repository("a", RepositoryRoute::Blob(digest.clone())),
            ),
            (
                format!("/v2/a/manifests/sha256%3a{HEX}"),
                repository("a", RepositoryRoute::Manifest(ManifestReference::Digest(digest))),
            ),
            (
                "/v2/a%2Fb/tags/list".to_owned(),
                repository("a/b", RepositoryRoute::Tags),
            ),
            (
                "/v2/a%2fb%2Fc/manifests/v%31".to_owned(),
                repository("a/b/c", tag("v1")),
            ),
            (
                "/%76%32/%61/t%61gs/list".to_owned(),
                repository("a", RepositoryRoute::Tags),
            ),
            (
                "/v2/a%2Fb/blobs/uploads/".to_owned(),
                repository("a/b", RepositoryRoute::Uploads),
            ),
            ("/v2/%5Fcatalog".to_owned(), Route::Catalog),
        ];
        for (path, expected) in cases {
            assert_eq!(Route::parse(&path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn tricks_are_refused() {
        let long = format!("/v2/{}/tags/list", "a".repeat(256));
        let paths = [
            "",
            "/",
            "/v1/",
            "//v2/",
            "/v2//tags/list",
            "/v2/../tags/list",
            "/v2/a/../b/tags/list",
            "/v2/a/./tags/list",
            "/v2/a//b/tags/list",
            "/v2/A/tags/list",
            "/v2%2Fa/tags/list",
            "/v2/a/tags%2Flist",
            "/v2/a%2Ftags/list",
            "/v2/a/blobs%2Fuploads/",
            "/v2/a%2Fblobs/uploads/",
            "/v2/a/manifests/v1%2Fmanifests%2Fv1",
            "/v2/a/manifests%2Fv1",
            "/v2/%2561/tags/list",
            "/v2/a%252Fb/tags/list",
            "/v2/a%00/tags/list",
            "/v2/a%2F%2Fb/tags/list",
            "/v2/%2Fa/tags/list",
            "/v2/a%2F..%2Fb/tags/list",
            "/v2/a%2F%2e%2e%2Fb/tags/list",
            "/v2/a%5Cb/tags/list",
            "/v2/%41/tags/list",
            "/v2/a%3Ab/tags/list",
            "/v2/a%zz/tags/list",
            "/v2/a%/tags/list",
            "/v2/a%ff/tags/list",
            "/v2/a/manifests/v1%3F",
            "/v2/%2e%2e/tags/list",
            "/v2/a/tags/list/",
            "/v2/a/manifests/",
            "/v2/a/manifests/%2e%2e",
            "/v2/a/manifests/..",
            "/v2/a/manifests/-a",
            "/v2/a/manifests/sha256:zz",
            "/v2/a/manifests/sha256:../../x",
            "/v2/a/blobs/sha256:",
            "/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e",
            "/v2/a/blobs/..",
            "/v2/a/referrers/latest",
            "/v2/a\0/tags/list",
            "/v2/blobs/uploads/",
            &long,
        ];
        for path in paths {
            assert!(Route::parse(path).is_err(), "{path}");
        }
    }
}
