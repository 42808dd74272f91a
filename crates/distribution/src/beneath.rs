//! Causes without repetition.

use crate::error::Error;

/// Our error with what lies beneath a lower one, whose own words are in ours already.
pub(crate) fn beneath<E>(ours: Error, lower: E) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    if lower.source().is_some() {
        ours.with_source(Deeper(lower))
    } else {
        ours
    }
}

#[derive(Debug)]
struct Deeper<E>(E);

impl<E: std::error::Error> std::fmt::Display for Deeper<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.source() {
            Some(source) => std::fmt::Display::fmt(source, f),
            None => Ok(()),
        }
    }
}

impl<E: std::error::Error> std::error::Error for Deeper<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()?.source()
    }
}
