use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;

use super::Blob;
use crate::{Descriptor, Error};

/// The bytes of a blob, of which only the number is checked: for a receiver that verifies them itself. Made by
/// [`Blob::unverified`]. It is no [`Blob`], so that no sink stores it as if it were verified.
#[must_use = "a blob does nothing until it is read"]
#[derive(Debug)]
pub struct UnverifiedBlob(pub(super) Blob);

impl UnverifiedBlob {
    /// The descriptor that the bytes should have.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        self.0.descriptor()
    }

    /// Reads the next chunk; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        self.0.next().await
    }

    /// Opens the bytes again, from the first on.
    pub fn reopen(&self) -> Option<Self> {
        self.0.reopen().map(Self)
    }
}

impl Stream for UnverifiedBlob {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(context)
    }
}
