//! Bytes that lie in several objects, one after the other.

use std::{fmt, ops::Range};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wharf_content::{ByteStream, Error, ErrorKind};

use crate::{
    objects::Objects,
    records::row::{bytes, damaged},
    text::bounded,
};

/// The objects that hold an upload or a content, with their sizes: own ones, or one of another registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// Own objects, whose names may be doomed.
    pub(crate) objects: Vec<String>,
    /// The key of an external object, which is never doomed.
    pub(crate) external: Option<String>,
    pub(crate) sizes: Vec<u64>,
}

/// An object that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// One of the registry's own, by its name.
    Own(String),
    /// One that another registry has written, by its key.
    External(String),
}

/// Bytes of one object, of which there is at least one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    location: Location,
    /// The size of the whole object.
    size: u64,
    range: Range<u64>,
}

/// The name or the key, which may be damaged: escaped.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) | Self::External(name) => f.write_str(&bounded(name)),
        }
    }
}

impl Pieces {
    /// The objects, the external object and the sizes of a row.
    pub(crate) fn of(objects: Vec<String>, external: Option<String>, sizes: Vec<i64>) -> Result<Self, Error> {
        let sizes = sizes.into_iter().map(bytes).collect::<Result<Vec<u64>, _>>()?;
        if external.is_some() && !objects.is_empty() {
            return Err(damaged("an external object", &"there are own objects, too"));
        }
        if objects.len() + usize::from(external.is_some()) != sizes.len() {
            return Err(damaged("objects without their sizes", &"the numbers differ"));
        }
        Ok(Self {
            objects,
            external,
            sizes,
        })
    }

    /// The objects with their sizes.
    pub(crate) fn locations(&self) -> impl Iterator<Item = (Location, u64)> {
        let own = self.objects.iter().cloned().map(Location::Own);
        let external = self.external.iter().cloned().map(Location::External);
        own.chain(external).zip(self.sizes.iter().copied())
    }

    /// The sum of the sizes.
    pub(crate) fn size(&self) -> u64 {
        self.sizes.iter().fold(0, |sum, size| sum.saturating_add(*size))
    }

    /// The pieces that hold these bytes.
    pub(crate) fn within(&self, range: Range<u64>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut begin = 0_u64;
        for (location, size) in self.locations() {
            let end = begin.saturating_add(size);
            let (from, to) = (range.start.max(begin), range.end.min(end));
            if from < to {
                pieces.push(Piece {
                    location,
                    size,
                    range: from - begin..to - begin,
                });
            }
            begin = end;
        }
        pieces
    }
}

/// Reads pieces one after the other. The stream yields exactly their bytes, or fails: with [`ErrorKind::NotFound`] or
/// [`ErrorKind::Corrupt`] where an object is gone or has another size.
pub(crate) fn read(objects: Objects, pieces: Vec<Piece>) -> ByteStream {
    let opened = stream::iter(pieces).then(move |piece| {
        let objects = objects.clone();
        async move { piece.open(&objects).await }
    });
    Box::pin(opened.try_flatten())
}

impl Piece {
    async fn open(self, objects: &Objects) -> Result<ByteStream, Error> {
        let opened = objects.open(&self.location, self.range.clone()).await?;
        if opened.size != self.size {
            let message = format!(
                "object {} has {} bytes, and {} were written",
                self.location, opened.size, self.size
            );
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let left = self.range.end - self.range.start;
        let counted = stream::try_unfold((opened.bytes, left), |(mut bytes, left)| async move {
            match bytes.try_next().await? {
                Some(chunk) => match left.checked_sub(chunk.len() as u64) {
                    Some(left) => Ok(Some((chunk, (bytes, left)))),
                    None => Err(failed("more")),
                },
                None if left > 0 => Err(failed("fewer")),
                None => Ok(None),
            }
        });
        Ok(Box::pin(counted))
    }
}

fn failed(more_or_fewer: &str) -> Error {
    let message = format!("object store: an answer has {more_or_fewer} bytes than were asked for");
    Error::new(ErrorKind::Network, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_in_the_objects_that_hold_it() {
        let pieces = Pieces::of(
            ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            None,
            vec![3, 0, 4, 2],
        )
        .unwrap();
        assert_eq!(pieces.size(), 9);
        for (range, expected) in [
            (0..9, vec![("a", 0..3), ("c", 0..4), ("d", 0..2)]),
            (0..1, vec![("a", 0..1)]),
            (2..4, vec![("a", 2..3), ("c", 0..1)]),
            (3..7, vec![("c", 0..4)]),
            (8..9, vec![("d", 1..2)]),
            (4..4, vec![]),
            (9..9, vec![]),
            (8..100, vec![("d", 1..2)]),
        ] {
            let found = pieces.within(range.clone());
            let found: Vec<_> = found
                .iter()
                .map(|piece| (piece.location.clone(), piece.range.clone()))
                .collect();
            let own = |(name, range): (&str, _)| (Location::Own(name.to_owned()), range);
            let expected: Vec<_> = expected.into_iter().map(own).collect();
            assert_eq!(found, expected, "{range:?}");
        }
    }

    #[test]
    fn content_in_an_external_object_has_no_own_object_and_one_size() {
        let key = || Some("docker/registry/v2/data".to_owned());
        let pieces = Pieces::of(Vec::new(), key(), vec![7]).unwrap();
        assert_eq!(pieces.size(), 7);
        let [piece] = &pieces.within(2..5)[..] else {
            panic!("one piece");
        };
        assert_eq!(
            (&piece.location, &piece.range),
            (&Location::External(key().unwrap()), &(2..5))
        );
        let own = || vec!["0".repeat(32)];
        for (objects, external, sizes) in [
            (own(), key(), vec![7]),
            (own(), key(), vec![7, 7]),
            (Vec::new(), key(), vec![]),
            (Vec::new(), key(), vec![3, 4]),
            (Vec::new(), key(), vec![-1]),
            (Vec::new(), None, vec![7]),
        ] {
            Pieces::of(objects, external, sizes).unwrap_err();
        }
    }
}
