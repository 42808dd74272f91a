//! Sources of errors whose message is already part of the error above them.

use std::{error, fmt};

use crate::error::Error;

/// Sets the source of `lower` as the source of `ours`. `lower` itself is left out, because its message is
/// part of the reason of `ours` and would be printed twice.
pub(crate) fn skip_repeated_source<E>(ours: Error, lower: E) -> Error
where
    E: error::Error + Send + Sync + 'static,
{
    if lower.source().is_some() {
        ours.with_source(SourceOf(lower))
    } else {
        ours
    }
}

/// The source of an error, owned together with it: a source can only be borrowed.
#[derive(Debug)]
struct SourceOf<E>(E);

impl<E: error::Error> fmt::Display for SourceOf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(source) => fmt::Display::fmt(source, f),
            None => Ok(()),
        }
    }
}

impl<E: error::Error> error::Error for SourceOf<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source()?.source()
    }
}
