//! Images of a daemon are read.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::Method;
use wharf_archive::Loaded;
use wharf_content::{Error, ErrorKind, Platform, Sink};
use wharf_distribution::kind_of_http;
use wharf_http::{RequestClass, ResponseBody};

use super::{
    DaemonHost, answer,
    connection::{Connection, Version},
};
use crate::{DaemonImage, concurrency::LockExt as _};

/// The first version of the API in which an image is read for one platform.
const WITH_PLATFORM: Version = Version(1, 48);

/// Reads images into a sink, as they come.
pub(super) async fn read<S: Sink + ?Sized>(
    connection: &Connection,
    images: &[DaemonImage],
    platform: Option<&Platform>,
    sink: &S,
) -> Result<Vec<Loaded>, Error> {
    let names: Vec<String> = images.iter().map(ToString::to_string).collect();
    let mut query: Vec<(&str, &str)> = names.iter().map(|name| ("names", name.as_str())).collect();
    let platform = platform.filter(|_| connection.speaks(WITH_PLATFORM)).map(json);
    if let Some(platform) = &platform {
        query.push(("platform", platform));
    }
    let request = connection.request(Method::GET, "images/get", &query, RequestClass::Content)?;
    let doing = format!("read {} from", names.join(", "));
    let response = connection.send(request, &doing).await?;
    let tail = Tail::default();
    let stream = Saved {
        body: response.into_body(),
        host: connection.host.clone(),
        tail: tail.clone(),
    };
    let loaded = wharf_archive::load(Box::pin(stream), sink).await;
    loaded.map_err(|error| {
        let host = &connection.host;
        if let Some(failure) = tail.failure() {
            let failure = answer::shown(&failure);
            let message = format!(
                "the daemon at {host} failed to send {}: {failure}",
                names.join(", ")
            );
            return Error::new(ErrorKind::Server, message).with_source(error);
        }
        let message = format!("cannot {doing} the daemon at {host}");
        Error::new(error.kind(), message).with_source(error)
    })
}

/// A platform in the parameter of a request.
fn json(platform: &Platform) -> String {
    serde_json::json!({
        "os": platform.os,
        "architecture": platform.architecture,
        "variant": platform.variant,
    })
    .to_string()
}

/// The archive that a daemon sends.
struct Saved {
    body: ResponseBody,
    host: DaemonHost,
    tail: Tail,
}

impl Stream for Saved {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(Pin::new(&mut self.body).poll_next(context));
        Poll::Ready(chunk.map(|chunk| match chunk {
            Ok(bytes) => {
                self.tail.push(&bytes);
                Ok(bytes)
            }
            Err(error) => {
                let message = format!("the daemon at {} stopped sending the image", self.host);
                Err(Error::new(kind_of_http(error.kind()), message).with_source(error))
            }
        }))
    }
}

/// The most bytes at the end that are looked through for an error of the daemon.
const TAIL: usize = 8 << 10;

/// The last bytes of an archive. A daemon that fails in the middle of it appends its error.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut tail = self.0.locked();
        let last = bytes.len().min(TAIL);
        let excess = (tail.len() + last).saturating_sub(TAIL).min(tail.len());
        tail.drain(..excess);
        tail.extend(bytes.iter().skip(bytes.len() - last));
    }

    fn failure(&self) -> Option<String> {
        answer::failure_at_end(self.0.locked().make_contiguous())
    }
}
