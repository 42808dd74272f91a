//! The calls with which an implementor of [`Backend`] proves itself.
//!
//! ```
//! # async fn example() {
//! use wharf_registry::{MemoryBackend, conformance};
//!
//! let checks = conformance::check(&MemoryBackend::default()).await.expect("it conforms");
//! println!("{checks} checks passed");
//! # }
//! ```
//!
//! A backend that outlives its process is opened again after [`check`] and given to [`check_reopened`].

use std::{collections::BTreeMap, fmt, ops::Range};

use bytes::Bytes;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher, Verified};
use wharf_reference::{Algorithm, Digest};

use crate::{Backend, Change, Listing};

/// What [`check`] leaves behind, for [`check_reopened`].
const KEPT: &[u8] = b"kept after the backend has been closed";
const OPEN_UPLOAD: &str = "0123456789abcdef";
const OPEN_NOTE: &str = "{\"note\":\"of an open upload\"}";

/// An expectation that did not hold.
#[derive(Debug)]
pub struct Failure {
    case: &'static str,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.message)
    }
}

impl std::error::Error for Failure {}

/// Runs the suite against an empty backend: how many expectations held, or the first that did not.
pub async fn check(backend: &dyn Backend) -> Result<u32, Failure> {
    let mut run = Run {
        backend,
        case: "",
        checks: 0,
    };
    run.emptiness().await?;
    run.records().await?;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        run.uploads(algorithm).await?;
    }
    run.removal().await?;
    run.leave_behind().await?;
    Ok(run.checks)
}

/// Runs the rest of the suite after the backend has been opened again.
pub async fn check_reopened(backend: &dyn Backend) -> Result<u32, Failure> {
    let mut run = Run {
        backend,
        case: "what outlives the process",
        checks: 0,
    };
    let digest = run.digest(Algorithm::Sha256, KEPT)?;
    let bytes = run.content(&digest, 0..KEPT.len() as u64).await?;
    run.that(bytes == KEPT, "content does")?;
    let records = run.ok(all(backend.records().await).await)?;
    run.that(records.contains(&("kept".into(), "yes".into())), "records do")?;
    let uploads = run.ok(backend.uploads().await)?;
    let found = uploads.contains(&(OPEN_UPLOAD.into(), OPEN_NOTE.into()));
    run.that(found, "open uploads do, with their notes")?;
    let length = run.ok(backend.flush(OPEN_UPLOAD).await)?;
    run.that(length == 4, "and what was flushed")?;
    run.ok(backend
        .append(OPEN_UPLOAD, 4, vec![Bytes::from_static(b"5678")])
        .await)?;
    let bytes = run.upload(OPEN_UPLOAD).await?;
    run.that(bytes == b"12345678", "and they go on")?;
    Ok(run.checks)
}

/// The suite under way: the case, and what has held so far.
struct Run<'a> {
    backend: &'a dyn Backend,
    case: &'static str,
    checks: u32,
}

impl Run<'_> {
    fn that(&mut self, holds: bool, message: &str) -> Result<(), Failure> {
        if !holds {
            return Err(self.fail(message));
        }
        self.checks += 1;
        Ok(())
    }

    fn fail(&self, message: impl Into<String>) -> Failure {
        Failure {
            case: self.case,
            message: message.into(),
        }
    }

    fn ok<T>(&self, result: Result<T, Error>) -> Result<T, Failure> {
        result.map_err(|error| self.fail(format!("failed: {error}")))
    }

    fn missing<T>(&mut self, result: Result<T, Error>, message: &str) -> Result<(), Failure> {
        let missing = matches!(result, Err(error) if error.kind() == ErrorKind::NotFound);
        self.that(missing, message)
    }

    fn digest(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Digest, Failure> {
        self.ok(Hasher::digest(algorithm, bytes))
    }

    fn proof(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Verified, Failure> {
        self.ok(Verified::of(algorithm, bytes))
    }

    async fn content(&self, digest: &Digest, range: Range<u64>) -> Result<Vec<u8>, Failure> {
        let stream = self.ok(self.backend.read(digest, range).await)?;
        self.ok(collect(stream).await)
    }

    async fn upload(&self, id: &str) -> Result<Vec<u8>, Failure> {
        let stream = self.ok(self.backend.read_upload(id).await)?;
        self.ok(collect(stream).await)
    }

    async fn emptiness(&mut self) -> Result<(), Failure> {
        self.case = "an empty backend";
        let backend = self.backend;
        let digest = self.digest(Algorithm::Sha256, b"nothing")?;
        let records = self.ok(all(backend.records().await).await)?;
        self.that(records.is_empty(), "has no records")?;
        let digests = self.ok(all(backend.digests().await).await)?;
        self.that(digests.is_empty(), "has no content")?;
        let uploads = self.ok(backend.uploads().await)?;
        self.that(uploads.is_empty(), "has no uploads")?;
        let size = self.ok(backend.size(&digest).await)?;
        self.that(size.is_none(), "knows no size")?;
        let read = backend.read(&digest, 0..1).await;
        self.missing(read, "says NotFound when it is read")?;
        self.missing(backend.flush("00").await, "says NotFound for an upload")?;
        self.ok(backend.remove(&digest).await)?;
        self.ok(backend.discard("00").await)?;
        self.that(true, "removes and discards what is not there")
    }

    async fn records(&mut self) -> Result<(), Failure> {
        self.case = "records";
        let backend = self.backend;
        let change = |key: &str, value: Option<&str>| Change {
            key: key.to_owned(),
            value: value.map(str::to_owned),
        };
        let batch = vec![
            change("a/b:c@d", Some("1")),
            change("b", Some("2")),
            change("a/b:c@d", Some("3")),
            change("none", None),
        ];
        self.ok(backend.write(batch).await)?;
        let expected = [("a/b:c@d", "3"), ("b", "2")];
        let records = self.ok(all(backend.records().await).await)?;
        let records = records.into_iter().collect::<BTreeMap<_, _>>();
        let found = records.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        self.that(found.eq(expected), "are what the last change in order says")?;
        let large = "x".repeat(1_000_000);
        self.ok(backend.write(vec![change("b", Some(&large))]).await)?;
        let records = self.ok(all(backend.records().await).await)?;
        let records = records.into_iter().collect::<BTreeMap<_, _>>();
        self.that(records.get("b") == Some(&large), "may be large")?;
        let gone = vec![change("a/b:c@d", None), change("b", None)];
        self.ok(backend.write(gone).await)?;
        let records = self.ok(all(backend.records().await).await)?;
        self.that(records.is_empty(), "go when they are removed")
    }

    async fn uploads(&mut self, algorithm: Algorithm) -> Result<(), Failure> {
        self.case = "uploads";
        let backend = self.backend;
        let (id, twin) = match algorithm {
            Algorithm::Sha256 => ("a1", "b1"),
            _ => ("a2", "b2"),
        };
        self.ok(backend.begin(id, "a note").await)?;
        let length = self.ok(backend.flush(id).await)?;
        self.that(length == 0, "begin empty")?;
        let uploads = self.ok(backend.uploads().await)?;
        self.that(
            uploads == [(id.to_owned(), "a note".to_owned())],
            "are listed with their notes",
        )?;
        let part = |text: &'static [u8]| Bytes::from_static(text);
        self.ok(backend
            .append(id, 0, vec![part(b"012"), part(b""), part(b"345")])
            .await)?;
        self.ok(backend.append(id, 6, vec![part(b"xyz")]).await)?;
        self.ok(backend.append(id, 6, vec![part(b"6789")]).await)?;
        let bytes = self.upload(id).await?;
        self.that(
            bytes == b"0123456789",
            "grow at the end, and forget what lay beyond an offset",
        )?;
        let gap = backend.append(id, 11, vec![part(b"x")]).await;
        self.that(gap.is_err(), "have no gaps")?;
        let length = self.ok(backend.length(id).await)?;
        self.that(length == Some(10), "say their length")?;
        let length = self.ok(backend.flush(id).await)?;
        self.that(length == 10, "know their length")?;
        let content = self.proof(algorithm, b"0123456789")?;
        let digest = content.digest().clone();
        let other = self.proof(algorithm, b"012345678")?;
        let committed = backend.commit(id, &other).await;
        let refused = matches!(committed, Err(error) if error.kind() == ErrorKind::Mismatch);
        self.that(refused, "do not become content of another length")?;
        self.ok(backend.commit(id, &content).await)?;
        self.missing(backend.flush(id).await, "are gone when they have become content")?;
        let length = self.ok(backend.length(id).await)?;
        self.that(length.is_none(), "and have no length then")?;
        self.case = "content";
        let size = self.ok(backend.size(&digest).await)?;
        self.that(size == Some(10), "has its size")?;
        for range in [0..10, 0..1, 9..10, 3..7, 5..5] {
            let expected = (b'0'..=b'9')
                .skip(index(range.start))
                .take(index(range.end - range.start));
            let expected = expected.collect::<Vec<_>>();
            let bytes = self.content(&digest, range.clone()).await?;
            self.that(
                bytes == expected,
                &format!("is read from {} to {}", range.start, range.end),
            )?;
        }
        self.ok(backend.begin(twin, "").await)?;
        self.ok(backend.append(twin, 0, vec![part(b"0123456789")]).await)?;
        self.ok(backend.commit(twin, &content).await)?;
        let bytes = self.content(&digest, 0..10).await?;
        self.that(bytes == b"0123456789", "may come twice")?;
        let other = match algorithm {
            Algorithm::Sha256 => Algorithm::Sha512,
            _ => Algorithm::Sha256,
        };
        let digests = self.ok(all(backend.digests().await).await)?;
        self.that(digests.contains(&digest), "is listed")?;
        let absent = self.digest(other, b"another")?;
        let size = self.ok(backend.size(&absent).await)?;
        self.that(size.is_none(), "has one algorithm's digest")?;
        let sizes = self.ok(backend.sizes(&[absent, digest.clone()]).await)?;
        self.that(sizes == [None, Some(10)], "has its size among others")?;
        self.ok(backend.remove(&digest).await)
    }

    async fn removal(&mut self) -> Result<(), Failure> {
        self.case = "removal";
        let backend = self.backend;
        let bytes = vec![7; 3_000_000];
        let content = self.proof(Algorithm::Sha256, &bytes)?;
        let digest = content.digest().clone();
        self.ok(backend.begin("c3", "").await)?;
        self.ok(backend.append("c3", 0, vec![bytes.clone().into()]).await)?;
        self.ok(backend.commit("c3", &content).await)?;
        let reading = self.ok(backend.read(&digest, 0..bytes.len() as u64).await)?;
        self.ok(backend.remove(&digest).await)?;
        let size = self.ok(backend.size(&digest).await)?;
        self.that(size.is_none(), "is seen at once")?;
        let intact = collect(reading).await.is_ok_and(|read| read == bytes);
        self.that(intact, "leaves a stream that has begun alone")?;
        self.ok(backend.begin("d4", "").await)?;
        self.ok(backend.discard("d4").await)?;
        let uploads = self.ok(backend.uploads().await)?;
        self.that(uploads.is_empty(), "takes uploads too")?;
        self.ok(backend.quarantine(&digest).await)?;
        let digests = self.ok(all(backend.digests().await).await)?;
        self.that(digests.is_empty(), "leaves nothing behind")
    }

    async fn leave_behind(&mut self) -> Result<(), Failure> {
        self.case = "what is left behind";
        let backend = self.backend;
        let content = self.proof(Algorithm::Sha256, KEPT)?;
        self.ok(backend.begin("e5", "").await)?;
        self.ok(backend.append("e5", 0, vec![Bytes::from_static(KEPT)]).await)?;
        self.ok(backend.commit("e5", &content).await)?;
        let record = Change {
            key: "kept".to_owned(),
            value: Some("yes".to_owned()),
        };
        self.ok(backend.write(vec![record]).await)?;
        self.ok(backend.begin(OPEN_UPLOAD, OPEN_NOTE).await)?;
        self.ok(backend
            .append(OPEN_UPLOAD, 0, vec![Bytes::from_static(b"1234")])
            .await)?;
        let length = self.ok(backend.flush(OPEN_UPLOAD).await)?;
        self.that(length == 4, "is safe")
    }
}

async fn all<T: Send + 'static>(listing: Result<Listing<T>, Error>) -> Result<Vec<T>, Error> {
    listing?.all().await
}

fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

async fn collect(mut stream: ByteStream) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}
