//! Arguments that may be text or parsed before.

use wharf_config::CredentialKey;
use wharf_content::{Error, ErrorKind};
use wharf_reference::{Digest, Reference, Registry, Repository, Written};

use crate::ImageLocation;

/// The name of an image or repository in a registry: text (`&str`, `String`), or a parsed [`Reference`],
/// [`Repository`] or [`Written`]. Text may begin with `docker://`, as Skopeo writes it.
/// [`Client`](crate::Client) has a table of the forms that each method takes.
///
/// Text is parsed by the call that takes it, which fails with [`ErrorKind::Invalid`] if it is malformed.
///
/// ```no_run
/// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
/// use wharf::{Reference, Repository};
///
/// client.tags("quay.io/fedora/fedora").await?;
/// client.tags(Repository::parse("quay.io/fedora/fedora")?).await?;
/// client.tags(&Reference::parse("quay.io/fedora/fedora:latest")?).await?; // the tag is ignored
/// # Ok(())
/// # }
/// ```
///
/// This trait is sealed.
pub trait IntoReference: sealed::IntoReference {}

/// The location of an image: text such as `docker://quay.io/fedora/fedora:latest` or `oci:images:app`, a
/// parsed [`ImageLocation`], or a [`Reference`] for an image in a registry. The methods that read one image
/// also take the name of a registry's image without `docker://`; a copy demands it, as Skopeo does.
/// [`Client`](crate::Client) has a table of the forms that each method takes.
///
/// Text is parsed by the call that takes it, which fails with [`ErrorKind::Invalid`] if it is malformed.
///
/// ```no_run
/// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
/// use wharf::{ImageLocation, Reference};
///
/// client.manifest("quay.io/fedora/fedora:latest").await?;
/// client.manifest("docker://quay.io/fedora/fedora:latest").await?;
/// client.manifest(&Reference::parse("quay.io/fedora/fedora:latest")?).await?;
/// let location: ImageLocation = "oci:images:app".parse()?;
/// client.manifest(&location).await?;
/// # Ok(())
/// # }
/// ```
///
/// This trait is sealed.
pub trait IntoImageLocation: sealed::IntoImageLocation {}

/// A registry, or a namespace or repository in it, that a login is for: text such as
/// `registry.example.com:5000` or `registry.example.com/team`, a [`Registry`], a [`Repository`] or a
/// [`CredentialKey`].
///
/// Text is parsed as [`CredentialKey::parse_argument`] does, by the call that takes it, which fails with
/// [`ErrorKind::Invalid`] if it is malformed.
///
/// ```no_run
/// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
/// client.logout("registry.example.com/team").await?;
/// client.logout(wharf::Registry::parse("registry.example.com")?).await?;
/// # Ok(())
/// # }
/// ```
///
/// This trait is sealed.
pub trait IntoCredentialKey: sealed::IntoCredentialKey {}

/// A registry: text such as `registry.example.com:5000`, or a parsed [`Registry`].
///
/// Text is parsed by [`ClientBuilder::build`](crate::ClientBuilder::build), which fails with
/// [`ErrorKind::Invalid`] if it is malformed.
///
/// ```
/// let lab = wharf::Registry::parse("lab.example.com:5000")?;
/// let client = wharf::Client::builder().with_plain_http("localhost:5000").with_plain_http(&lab).build()?;
/// # Ok::<(), wharf::Error>(())
/// ```
///
/// This trait is sealed.
pub trait IntoRegistry: sealed::IntoRegistry {}

/// The digest of a blob: text such as `sha256:` with 64 hexadecimal digits, or a parsed [`Digest`].
///
/// Text is parsed by the call that takes it, which fails with [`ErrorKind::Invalid`] if it is malformed.
///
/// ```no_run
/// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
/// let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// client.layer("quay.io/fedora/fedora:latest", digest).await?;
/// client.layer("quay.io/fedora/fedora:latest", wharf::Digest::parse(digest)?).await?;
/// # Ok(())
/// # }
/// ```
///
/// This trait is sealed.
pub trait IntoDigest: sealed::IntoDigest {}

impl<T: sealed::IntoDigest> IntoDigest for T {}
impl<T: sealed::IntoReference> IntoReference for T {}
impl<T: sealed::IntoImageLocation> IntoImageLocation for T {}
impl<T: sealed::IntoCredentialKey> IntoCredentialKey for T {}
impl<T: sealed::IntoRegistry> IntoRegistry for T {}

pub(crate) mod sealed {
    use super::{CredentialKey, Digest, Error, ImageLocation, Reference, Registry, Written};

    pub trait IntoReference: Sized {
        fn into_written(self) -> Result<Written, Error>;

        /// Docker Hub's reference for a short name.
        fn into_reference(self) -> Result<Reference, Error> {
            self.into_written().map(|written| written.normalise())
        }
    }

    pub trait IntoImageLocation: Sized {
        /// The end of a copy: text needs a transport.
        fn into_location(self) -> Result<ImageLocation, Error>;

        /// An image to read: text without a transport is a name in a registry.
        fn into_image(self) -> Result<ImageLocation, Error> {
            self.into_location()
        }
    }

    pub trait IntoDigest {
        fn into_digest(self) -> Result<Digest, Error>;
    }

    pub trait IntoRegistry {
        fn into_registry(self) -> Result<Registry, Error>;
    }

    pub trait IntoCredentialKey {
        fn into_key(self) -> Result<CredentialKey, Error>;
    }
}

/// Parses a name that a user typed.
pub(crate) fn written(text: &str) -> Result<Written, Error> {
    Written::parse(text).map_err(|error| {
        let message = format!("invalid reference {text:?}");
        Error::new(ErrorKind::Invalid, message).with_source(error)
    })
}

/// Parses the name of an image in a registry, with or without `docker://`.
fn name_in_registry(text: &str) -> Result<Written, Error> {
    written(text.strip_prefix("docker://").unwrap_or(text))
}

fn registry(text: &str) -> Result<Registry, Error> {
    Registry::parse(text).map_err(|error| {
        let message = format!("{text:?} is not a registry, such as registry.example:5000");
        Error::new(ErrorKind::Invalid, message).with_source(error)
    })
}

fn credential_key(text: &str) -> Result<CredentialKey, Error> {
    CredentialKey::parse_argument(text).map_err(|error| {
        let message = format!("{text:?} is not a registry, such as registry.example:5000");
        Error::new(ErrorKind::Invalid, message).with_source(error)
    })
}

/// Implements a conversion by borrowing: the value is given to the function by reference.
macro_rules! convert {
    ($trait:ident, $method:ident -> $result:ty: $($type:ty => $function:expr),+ $(,)?) => {$(
        impl sealed::$trait for $type {
            fn $method(self) -> Result<$result, Error> {
                #[allow(clippy::redundant_closure_call, reason = "some functions are paths, others closures")]
                ($function)(&self)
            }
        }
    )+};
}

convert! {
    IntoReference, into_written -> Written:
    &str => |text: &&str| name_in_registry(text),
    String => |text: &String| name_in_registry(text),
    &String => |text: &&String| name_in_registry(text),
    Written => |name: &Self| Ok(name.clone()),
    &Written => |name: &Self| Ok((*name).clone()),
    Reference => |name: &Self| written(name.as_str()),
    &Reference => |name: &Self| written(name.as_str()),
    Repository => |name: &Self| written(name.as_str()),
    &Repository => |name: &Self| written(name.as_str()),
}

/// Implements the two readings of a location's text.
macro_rules! location_of_text {
    ($($type:ty),+) => {$(
        impl sealed::IntoImageLocation for $type {
            fn into_location(self) -> Result<ImageLocation, Error> {
                self.parse()
            }

            fn into_image(self) -> Result<ImageLocation, Error> {
                ImageLocation::of_image(&self)
            }
        }
    )+};
}

location_of_text!(&str, String, &String);

fn digest(text: &str) -> Result<Digest, Error> {
    Digest::parse(text).map_err(|error| {
        let message = format!("{text:?} is not a digest, such as sha256: with 64 hexadecimal digits");
        Error::new(ErrorKind::Invalid, message).with_source(error)
    })
}

convert! {
    IntoDigest, into_digest -> Digest:
    &str => |text: &Self| digest(text),
    String => |text: &Self| digest(text),
    &String => |text: &Self| digest(text),
    Digest => |digest: &Self| Ok(digest.clone()),
    &Digest => |digest: &Self| Ok((*digest).clone()),
}

convert! {
    IntoRegistry, into_registry -> Registry:
    &str => |text: &Self| registry(text),
    String => |text: &Self| registry(text),
    &String => |text: &Self| registry(text),
    Registry => |registry: &Self| Ok(registry.clone()),
    &Registry => |registry: &Self| Ok((*registry).clone()),
}

convert! {
    IntoImageLocation, into_location -> ImageLocation:
    ImageLocation => |location: &Self| Ok(location.clone()),
    &ImageLocation => |location: &Self| Ok((*location).clone()),
    Reference => |name: &Self| Ok(ImageLocation::Registry(name.clone())),
    &Reference => |name: &Self| Ok(ImageLocation::Registry((*name).clone())),
}

convert! {
    IntoCredentialKey, into_key -> CredentialKey:
    &str => |text: &Self| credential_key(text),
    String => |text: &Self| credential_key(text),
    &String => |text: &Self| credential_key(text),
    CredentialKey => |key: &Self| Ok(key.clone()),
    &CredentialKey => |key: &Self| Ok((*key).clone()),
    Registry => |registry: &Self| Ok(registry.into()),
    &Registry => |registry: &Self| Ok((*registry).into()),
    Repository => |repository: &Self| Ok(repository.into()),
    &Repository => |repository: &Self| Ok((*repository).into()),
}

#[cfg(test)]
mod tests {
    use super::{
        sealed::{
            IntoCredentialKey as _, IntoDigest as _, IntoImageLocation as _, IntoReference as _,
            IntoRegistry as _,
        },
        *,
    };

    #[test]
    fn a_name_is_the_same_as_text_and_as_a_parsed_type() {
        let full = "registry.example:5000/team/app:1";
        let reference = Reference::parse(full).unwrap();
        let parsed = Written::parse(full).unwrap();
        for converted in [
            full.into_reference(),
            full.to_owned().into_reference(),
            (&full.to_owned()).into_reference(),
            format!("docker://{full}").into_reference(),
            (&parsed).into_reference(),
            parsed.into_reference(),
            (&reference).into_reference(),
            reference.clone().into_reference(),
        ] {
            assert_eq!(converted.unwrap(), reference);
        }
        let repository = reference.repository();
        for converted in [(&repository).into_reference(), repository.into_reference()] {
            assert_eq!(converted.unwrap().as_str(), "registry.example:5000/team/app");
        }
        let location: ImageLocation = format!("docker://{full}").parse().unwrap();
        for converted in [
            format!("docker://{full}").as_str().into_location(),
            format!("docker://{full}").into_location(),
            (&format!("docker://{full}")).into_location(),
            full.into_image(),
            format!("docker://{full}").into_image(),
            (&reference).into_image(),
            (&reference).into_location(),
            reference.into_location(),
            (&location).into_location(),
        ] {
            assert_eq!(converted.unwrap(), location);
        }
    }

    #[test]
    fn a_short_name_stays_one_until_it_is_resolved() {
        let written = "alpine".into_written().unwrap();
        assert!(!written.has_registry());
        let hub = "alpine".into_reference().unwrap();
        assert_eq!(hub.as_str(), "docker.io/library/alpine");
        assert!(hub.into_written().unwrap().has_registry());
    }

    #[test]
    fn a_login_is_for_a_registry_or_what_is_in_it() {
        let registry = Registry::parse("registry.example:5000").unwrap();
        let repository = Repository::parse("registry.example:5000/team/app").unwrap();
        let key = CredentialKey::parse("registry.example:5000/team/app").unwrap();
        for (converted, expected) in [
            ("registry.example:5000".into_key(), "registry.example:5000"),
            (
                "https://registry.example:5000/v2/".into_key(),
                "registry.example:5000",
            ),
            (
                "registry.example:5000/team".to_owned().into_key(),
                "registry.example:5000/team",
            ),
            ((&registry).into_key(), "registry.example:5000"),
            (registry.into_key(), "registry.example:5000"),
            ((&repository).into_key(), "registry.example:5000/team/app"),
            (repository.into_key(), "registry.example:5000/team/app"),
            ((&key).into_key(), "registry.example:5000/team/app"),
        ] {
            assert_eq!(converted.unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_digest_is_the_same_as_text_and_as_a_parsed_type() {
        let text = format!("sha256:{}", "0".repeat(64));
        let digest = Digest::parse(&text).unwrap();
        for converted in [
            text.as_str().into_digest(),
            (&text).into_digest(),
            text.clone().into_digest(),
            (&digest).into_digest(),
            digest.clone().into_digest(),
        ] {
            assert_eq!(converted.unwrap(), digest);
        }
    }

    #[test]
    fn malformed_text_is_invalid_and_named() {
        for (error, part) in [
            (
                "sha256:0".into_digest().unwrap_err(),
                "\"sha256:0\" is not a digest",
            ),
            ("App".into_written().unwrap_err(), "invalid reference \"App\""),
            (
                "docker://docker://alpine".into_written().unwrap_err(),
                "invalid reference \"docker://alpine\"",
            ),
            (
                "lab.example:x".into_registry().unwrap_err(),
                "\"lab.example:x\" is not a registry",
            ),
            (
                "lab.example/team".into_registry().unwrap_err(),
                "\"lab.example/team\" is not a registry",
            ),
            (
                "app@sha256:0".into_reference().unwrap_err(),
                "invalid reference \"app@sha256:0\"",
            ),
            ("a b".into_key().unwrap_err(), "\"a b\" is not a registry"),
            ("alpine".into_location().unwrap_err(), "write docker://alpine"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
