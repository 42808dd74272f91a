use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use futures_core::Stream;
use wharf_content::Error;

/// The number of items in a part of a listing that is in memory.
const PART: usize = 1024;

/// A list of items that is read part by part, so that a long list is never in memory as a whole.
pub struct Listing<T>(Pin<Box<dyn Stream<Item = Result<Vec<T>, Error>> + Send>>);

impl<T: Send + 'static> Listing<T> {
    /// A listing whose parts come from a stream. If the listing is dropped, the stream is not read to its
    /// end.
    pub fn new(parts: impl Stream<Item = Result<Vec<T>, Error>> + Send + 'static) -> Self {
        Self(Box::pin(parts))
    }

    /// The next part, or `None` at the end. After an error the listing has no more valid parts.
    pub async fn next(&mut self) -> Option<Result<Vec<T>, Error>> {
        std::future::poll_fn(|context| self.0.as_mut().poll_next(context)).await
    }

    /// A listing of the results of `map`. The first item for which `map` fails makes its part fail.
    pub(crate) fn try_map<U: Send + 'static>(
        self,
        map: impl Fn(T) -> Result<U, Error> + Send + Unpin + 'static,
    ) -> Listing<U> {
        Listing::new(Mapped { parts: self.0, map })
    }

    /// Reads all parts into one.
    ///
    /// # Errors
    ///
    /// The first error of a part.
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(part) = self.next().await {
            all.append(&mut part?);
        }
        Ok(all)
    }
}

struct Mapped<T, F> {
    parts: Pin<Box<dyn Stream<Item = Result<Vec<T>, Error>> + Send>>,
    map: F,
}

impl<T, U, F: Fn(T) -> Result<U, Error> + Unpin> Stream for Mapped<T, F> {
    type Item = Result<Vec<U>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let part = ready!(self.parts.as_mut().poll_next(context));
        Poll::Ready(part.map(|part| part?.into_iter().map(&self.map).collect()))
    }
}

/// A listing of items that are in memory.
impl<T: Send + 'static> From<Vec<T>> for Listing<T> {
    fn from(all: Vec<T>) -> Self {
        Self::new(Parts(all.into_iter()))
    }
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}

struct Parts<T>(vec::IntoIter<T>);

impl<T> Unpin for Parts<T> {}

impl<T> Stream for Parts<T> {
    type Item = Result<Vec<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let part = self.0.by_ref().take(PART).collect::<Vec<_>>();
        Poll::Ready((!part.is_empty()).then_some(Ok(part)))
    }
}
