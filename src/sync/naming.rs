use std::{fmt, sync::Arc};

use wharf_content::{Error, ErrorKind};

use crate::ImageLocation;

/// The most bytes of the name of an image below a destination.
const MAX_NAME: usize = 1024;

type Map = dyn Fn(&ImageLocation) -> String + Send + Sync;

/// The names that images get below the destination. Two images of one name are an error of the plan.
///
/// | source | `Last` | `Scoped` |
/// |---|---|---|
/// | `docker://quay.io/fedora/fedora:40` | `fedora:40` | `quay.io/fedora/fedora:40` |
/// | the directory `quay.io/fedora:40` below the one of the set | `fedora:40` | `quay.io/fedora:40` |
/// | the name `fedora/fedora:40` of a layout or archive | `fedora:40` | `fedora/fedora:40` |
///
/// ```
/// use wharf::sync::Naming;
///
/// let flat = Naming::map(|from| from.to_string().replace(['/', ':'], "-") + ":1");
/// # let _ = flat;
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Naming {
    /// The last component, with tag or digest, as `skopeo sync`.
    #[default]
    Last,
    /// The whole name, with the registry, as `skopeo sync --scoped`. A registry takes no name with a port in it.
    Scoped,
    /// A name for each image, by a function of its location.
    Map(Arc<Map>),
}

impl Naming {
    /// Names by a function. A name has components separated by `/`, and none of them is empty, `.` or `..`.
    pub fn map(name: impl Fn(&ImageLocation) -> String + Send + Sync + 'static) -> Self {
        Self::Map(Arc::new(name))
    }

    /// The name of an image whose whole name is `full`.
    pub(super) fn name(&self, from: &ImageLocation, full: &str) -> Result<String, Error> {
        let name = match self {
            Self::Last => full.rsplit('/').next().unwrap_or(full).to_owned(),
            Self::Scoped => full.to_owned(),
            Self::Map(name) => name(from),
        };
        let is_safe = name.len() <= MAX_NAME
            && !name.contains(|c: char| c.is_control() || c == '\\')
            && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if is_safe {
            return Ok(name);
        }
        let shown: String = name.chars().take(80).collect();
        let message = format!("{from} cannot be copied: {shown:?} is no name below a destination");
        Err(Error::new(ErrorKind::Invalid, message))
    }
}

impl fmt::Debug for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "Last",
            Self::Scoped => "Scoped",
            Self::Map(_) => "Map",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_below_the_destination() {
        let from: ImageLocation = "docker://quay.io/a/b:1".parse().unwrap();
        let full = "quay.io/a/b:1";
        assert_eq!(Naming::Last.name(&from, full).unwrap(), "b:1");
        assert_eq!(Naming::Scoped.name(&from, full).unwrap(), full);
        let long = "a".repeat(MAX_NAME + 1);
        for bad in [
            "", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\nb", &long,
        ] {
            let bad = bad.to_owned();
            let error = Naming::map(move |_| bad.clone()).name(&from, full).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }
}
