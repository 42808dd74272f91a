//! Blobs as streams that resume by themselves.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use wharf_auth::Action;
use wharf_config::Intent;
use wharf_content::{Blob, ByteStream, Descriptor, ErrorKind, OpenBlob};
use wharf_http::{Redacted, ResponseBody};

use crate::{
    Remote,
    blobs::is_identity,
    error::{Detail, Error, Operation, kind_of_http},
    send::{Answer, Call},
    site::Site,
};

/// How many tries without a single new byte end a download.
const MAX_BARREN_TRIES: u32 = 3;

impl Remote {
    /// A blob, fetched when it is read. It resumes by itself after a cut, and can be read again.
    ///
    /// Fails with [`ErrorKind::Unsupported`] if the digest cannot be verified.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let subject = self.blob_name(descriptor.digest());
        if let Some(data) = descriptor.data() {
            return Blob::from_bytes(descriptor.clone(), data.into())
                .map_err(|error| Error::from_content(Operation::PullBlob, subject, "", &error));
        }
        let opener = Opener {
            remote: self.clone(),
            descriptor: descriptor.clone(),
        };
        Blob::new(descriptor.clone(), Arc::new(opener))
            .map_err(|error| Error::from_content(Operation::PullBlob, subject, "", &error))
    }
}

struct Opener {
    remote: Remote,
    descriptor: Descriptor,
}

#[async_trait]
impl OpenBlob for Opener {
    async fn open(&self, offset: u64) -> Result<ByteStream, wharf_content::Error> {
        let fetch = Arc::new(Fetch {
            remote: self.remote.clone(),
            descriptor: self.descriptor.clone(),
        });
        let part = fetch.part(offset, None).await?;
        Ok(Box::pin(Download {
            fetch,
            position: offset,
            barren_tries: 0,
            state: State::Streaming(part),
        }))
    }
}

/// Fetches parts of one blob.
struct Fetch {
    remote: Remote,
    descriptor: Descriptor,
}

/// A stream of bytes from a place.
struct Part {
    body: ResponseBody,
    /// Bytes to pass over: the server sent the blob from its start.
    skip: u64,
    /// Which of the places it comes from.
    site: usize,
    endpoint: String,
}

impl Fetch {
    /// The bytes from `offset` on, from the first place that has them. `failed` is the place that a stream
    /// just broke off from: it is asked last.
    async fn part(&self, offset: u64, failed: Option<usize>) -> Result<Part, Error> {
        let sites = self.remote.sites(Intent::PullDigest, Operation::PullBlob)?;
        let mut order: Vec<usize> = self.remote.order(sites.len()).collect();
        order.sort_by_key(|index| Some(*index) == failed);
        let mut errors = Vec::new();
        for index in order {
            let Some(site) = sites.get(index) else { continue };
            match self.part_from(site, index, offset).await {
                Ok(part) => return Ok(part),
                Err(error) => errors.push((index, error)),
            }
        }
        Err(self.remote.all_failed(Operation::PullBlob, errors))
    }

    async fn part_from(&self, site: &Site, index: usize, offset: u64) -> Result<Part, Error> {
        let digest = self.descriptor.digest();
        let path = self.remote.path(site, &format!("blobs/{digest}"));
        let subject = self.remote.blob_name(digest);
        let mut call = Call::new(Operation::PullBlob, &subject, Method::GET, &path, &[200, 206])
            .with_scopes(self.remote.scopes(site, Action::Pull));
        if offset > 0 {
            let range = HeaderValue::try_from(format!("bytes={offset}-"));
            let range =
                range.map_err(|_| self.refuse(ErrorKind::Invalid, "the range cannot be asked for"))?;
            call = call.with_header(header::RANGE, range);
        }
        let client = self.remote.client();
        let answer = client.send(site, call, &mut client.budget()).await?;
        let endpoint = Redacted(&answer.url).to_string();
        let skip = check_part(&answer, offset, self.descriptor.size())
            .map_err(|reason| self.refuse(ErrorKind::Mismatch, reason).at(&endpoint))?;
        Ok(Part {
            body: answer.body,
            skip,
            site: index,
            endpoint,
        })
    }

    fn refuse(&self, kind: ErrorKind, reason: impl Into<String>) -> Error {
        let subject = self.remote.blob_name(self.descriptor.digest());
        Error::new(kind, Operation::PullBlob, subject, reason)
    }

    fn broken(&self, error: wharf_http::Error, endpoint: &str) -> Error {
        self.refuse(kind_of_http(error.kind()), error.to_string())
            .at(endpoint)
            .with_detail(Detail::Http(error.kind()))
            .with_source(error)
    }
}

/// Checks the head of an answer to a request for the bytes from `offset` on (I9); the number of bytes to pass
/// over if the whole came instead.
fn check_part(answer: &Answer, offset: u64, size: u64) -> Result<u64, String> {
    if !is_identity(answer) {
        return Err("the server encoded the bytes although it was asked not to".to_owned());
    }
    let declared = answer.body.length();
    let expect = |length: u64| match declared {
        Some(declared) if declared != length => Err(format!(
            "the server announces {declared} bytes instead of {length}"
        )),
        _ => Ok(()),
    };
    if answer.status == StatusCode::PARTIAL_CONTENT {
        if offset == 0 {
            return Err("the server sends a part although the whole was asked for".to_owned());
        }
        let range = content_range(&answer.headers).ok_or("the server sends a part but does not say which")?;
        if range.first != offset
            || range.last.checked_add(1) != Some(size)
            || range.complete.is_some_and(|n| n != size)
        {
            return Err("the server sends another part than the one asked for".to_owned());
        }
        expect(size - offset)?;
        return Ok(0);
    }
    expect(size)?;
    Ok(offset)
}

/// What a `Content-Range` says (RFC 9110): `bytes first-last/complete`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) complete: Option<u64>,
}

/// Reads the header strictly: exactly one, exactly the grammar, first not after last, last within the whole.
pub(crate) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    let mut values = headers.get_all(header::CONTENT_RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (range, complete) = value.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
    };
    let (first, last): (u64, u64) = (number(first)?, number(last)?);
    let complete = match complete {
        "*" => None,
        complete => Some(number(complete)?),
    };
    let sound = first <= last && complete.is_none_or(|complete: u64| last < complete);
    sound.then_some(ContentRange {
        first,
        last,
        complete,
    })
}

type Resuming = Pin<Box<dyn Future<Output = Result<Part, Error>> + Send>>;

/// The bytes of a blob from an offset on; after a cut it goes on where it stopped, elsewhere if it can.
struct Download {
    fetch: Arc<Fetch>,
    position: u64,
    barren_tries: u32,
    state: State,
}

enum State {
    Streaming(Part),
    Resuming(Resuming),
    Ended,
}

impl Download {
    /// Decides what follows a cut: another try, or the error.
    fn resume(&mut self, site: usize, error: Error) -> Result<(), Error> {
        self.barren_tries += 1;
        if self.barren_tries >= MAX_BARREN_TRIES {
            self.state = State::Ended;
            return Err(error);
        }
        let position = self.position;
        tracing::debug!(%error, position, "resuming");
        let (fetch, tries) = (Arc::clone(&self.fetch), self.barren_tries);
        self.state = State::Resuming(Box::pin(async move {
            if tries > 1 {
                tokio::time::sleep(std::time::Duration::from_millis(250) * tries).await;
            }
            fetch.part(position, Some(site)).await
        }));
        Ok(())
    }
}

impl Stream for Download {
    type Item = Result<Bytes, wharf_content::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Resuming(resuming) => match ready!(resuming.as_mut().poll(context)) {
                    Ok(part) => this.state = State::Streaming(part),
                    Err(error) => {
                        this.state = State::Ended;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                },
                State::Streaming(part) => {
                    let cut = match ready!(Pin::new(&mut part.body).poll_next(context)) {
                        Some(Ok(mut chunk)) => {
                            let skipped = part.skip.min(chunk.len() as u64);
                            part.skip -= skipped;
                            chunk.advance(usize::try_from(skipped).unwrap_or(usize::MAX));
                            if chunk.is_empty() {
                                continue;
                            }
                            this.position = this.position.saturating_add(chunk.len() as u64);
                            this.barren_tries = 0;
                            return Poll::Ready(Some(Ok(chunk)));
                        }
                        None if this.position >= this.fetch.descriptor.size() => {
                            this.state = State::Ended;
                            return Poll::Ready(None);
                        }
                        None => wharf_http::Error::new(
                            wharf_http::ErrorKind::Broken,
                            format!(
                                "it ended after {} of {} bytes",
                                this.position,
                                this.fetch.descriptor.size()
                            ),
                        ),
                        Some(Err(error)) => error,
                    };
                    let (site, error) = (part.site, this.fetch.broken(cut, &part.endpoint));
                    if let Err(error) = this.resume(site, error) {
                        return Poll::Ready(Some(Err(error.into())));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        let table = [
            ("bytes 5-9/10", Some((5, 9, Some(10)))),
            ("bytes 5-9/*", Some((5, 9, None))),
            ("bytes 0-0/1", Some((0, 0, Some(1)))),
            ("bytes 9-5/10", None),
            ("bytes 5-10/10", None),
            ("bytes 0-18446744073709551615/*", Some((0, u64::MAX, None))),
            ("bytes 0-18446744073709551616/*", None),
            ("bytes +5-9/10", None),
            ("bytes 5-9", None),
            ("bytes */10", None),
            ("bytes=5-9/10", None),
            ("octets 5-9/10", None),
            ("bytes  5-9/10", None),
            ("", None),
        ];
        for (value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, value.parse().unwrap());
            let got = content_range(&headers).map(|range| (range.first, range.last, range.complete));
            assert_eq!(got, expected, "{value}");
            headers.append(header::CONTENT_RANGE, value.parse().unwrap());
            assert_eq!(content_range(&headers), None, "{value} twice");
        }
    }
}
