use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Event, Hasher, MediaType, OpenBlob, Progress,
};
use wharf_reference::{Algorithm, Digest};

pub(crate) fn descriptor(content: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::OCTET_STREAM, content)
}

fn chunks(chunks: &[&'static [u8]]) -> ByteStream {
    let chunks: Vec<Result<Bytes, Error>> =
        chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
    Box::pin(stream::iter(chunks))
}

/// What the source sends, what may be seen, and how it ends.
type Case = (&'static [&'static [u8]], &'static [u8], Option<ErrorKind>);

/// Reads to the end or the first error, and says what was yielded before.
async fn drain(mut blob: Blob) -> (Vec<u8>, Option<ErrorKind>) {
    let mut seen = Vec::new();
    while let Some(chunk) = blob.next().await {
        match chunk {
            Ok(chunk) => seen.extend_from_slice(&chunk),
            Err(error) => {
                assert!(blob.next().await.is_none(), "a blob that failed has ended");
                return (seen, Some(error.kind()));
            }
        }
    }
    (seen, None)
}

#[tokio::test]
async fn yields_exactly_what_was_promised_or_fails_before_the_last_chunk() {
    let promised = descriptor(b"abcdef");
    let mismatch = Some(ErrorKind::Mismatch);
    let cases: &[Case] = &[
        (&[b"abcdef"], b"abcdef", None),
        (&[b"abc", b"", b"def"], b"abcdef", None),
        (&[b"abc", b"deX"], b"abc", mismatch),
        (&[b"abc", b"de"], b"abcde", mismatch),
        (&[], b"", mismatch),
        (&[b"abcdefg"], b"", mismatch),
        (&[b"abc", b"def", b"g"], b"abc", mismatch),
        (&[b"abc", b"defg"], b"abc", mismatch),
        (&[b"Xbcdef"], b"", mismatch),
    ];
    for (sent, seen, end) in cases {
        let blob = Blob::once(promised.clone(), chunks(sent)).unwrap();
        assert_eq!(drain(blob).await, (seen.to_vec(), *end), "{sent:?}");
    }
}

#[tokio::test]
async fn an_empty_blob_is_verified_too() {
    let blob = Blob::once(descriptor(b""), chunks(&[])).unwrap();
    assert_eq!(drain(blob).await, (Vec::new(), None));

    let digest = Hasher::digest(Algorithm::Sha256, b"x").unwrap();
    let lie = Descriptor::new(MediaType::OCTET_STREAM, digest, 0).unwrap();
    let blob = Blob::once(lie, chunks(&[])).unwrap();
    assert_eq!(drain(blob).await, (Vec::new(), Some(ErrorKind::Mismatch)));
}

#[tokio::test]
async fn an_error_of_the_source_passes_through() {
    let failing: ByteStream = Box::pin(stream::iter(vec![
        Ok(Bytes::from_static(b"abc")),
        Err(Error::new(ErrorKind::Network, "cut")),
    ]));
    let blob = Blob::once(descriptor(b"abcdef"), failing).unwrap();
    assert_eq!(drain(blob).await, (b"abc".to_vec(), Some(ErrorKind::Network)));
}

#[test]
fn an_algorithm_that_cannot_verify_is_refused() {
    let digest = Digest::parse("md5:d41d8cd98f00b204e9800998ecf8427e").unwrap();
    let descriptor = Descriptor::new(MediaType::OCTET_STREAM, digest, 0).unwrap();
    assert_eq!(
        Blob::once(descriptor, chunks(&[])).unwrap_err().kind(),
        ErrorKind::Unsupported
    );
}

struct Recorder {
    content: &'static [u8],
    opened: Mutex<Vec<u64>>,
}

#[async_trait]
impl OpenBlob for Recorder {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        self.opened.lock().unwrap().push(offset);
        Ok(chunks(&[&self.content[usize::try_from(offset).unwrap()..]]))
    }
}

#[tokio::test]
async fn opens_late_again_and_from_the_middle() {
    let opener = Arc::new(Recorder {
        content: b"abcdef",
        opened: Mutex::default(),
    });
    let blob = Blob::new(descriptor(b"abcdef"), Arc::clone(&opener) as Arc<dyn OpenBlob>).unwrap();
    assert!(
        opener.opened.lock().unwrap().is_empty(),
        "nothing is opened before it is read"
    );

    let mut hasher = Hasher::new(Algorithm::Sha256).unwrap();
    hasher.update(b"abcd");
    let again = blob.reopen().unwrap();
    let rest = blob.resume(hasher).unwrap();
    assert_eq!(rest.position(), 4);
    assert_eq!(drain(rest).await, (b"ef".to_vec(), None));
    assert_eq!(drain(again).await, (b"abcdef".to_vec(), None));
    assert_eq!(*opener.opened.lock().unwrap(), [4, 0]);
}

#[tokio::test]
async fn a_resume_after_other_bytes_is_refused_at_the_end() {
    let opener = Arc::new(Recorder {
        content: b"abcdef",
        opened: Mutex::default(),
    });
    let blob = Blob::new(descriptor(b"abcdef"), opener).unwrap();
    let mut hasher = Hasher::new(Algorithm::Sha256).unwrap();
    hasher.update(b"Xbcd");
    assert_eq!(
        drain(blob.resume(hasher).unwrap()).await.1,
        Some(ErrorKind::Mismatch)
    );

    let sha512 = Hasher::new(Algorithm::Sha512).unwrap();
    assert!(
        blob.resume(sha512).is_none(),
        "another algorithm's state does not fit"
    );
}

#[tokio::test]
async fn bytes_verified_before_are_still_counted() {
    let opener = Arc::new(Recorder {
        content: b"abc",
        opened: Mutex::default(),
    });
    let blob = Blob::verified_before(descriptor(b"abcdef"), opener);
    assert_eq!(drain(blob).await, (b"abc".to_vec(), Some(ErrorKind::Mismatch)));
}

#[tokio::test]
async fn a_blob_over_the_limit_is_not_read() {
    let opener = Arc::new(Recorder {
        content: b"abcdef",
        opened: Mutex::default(),
    });
    let blob = Blob::new(descriptor(b"abcdef"), Arc::clone(&opener) as Arc<dyn OpenBlob>).unwrap();
    let whole = blob.reopen().unwrap().read_to_end(6).await.unwrap();
    assert_eq!(whole, "abcdef");
    assert_eq!(blob.read_to_end(5).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(*opener.opened.lock().unwrap(), [0]);
}

#[tokio::test]
async fn progress_counts_every_byte_once() {
    #[derive(Default)]
    struct Count(AtomicU64);

    impl Progress for Count {
        fn event(&self, event: Event<'_>) {
            if let Event::Advanced { bytes, .. } = event {
                self.0.fetch_add(bytes, Ordering::Relaxed);
            }
        }
    }

    let count = Arc::new(Count::default());
    let blob = Blob::once(descriptor(b"abcdef"), chunks(&[b"ab", b"cd", b"ef"])).unwrap();
    drain(blob.with_progress(Arc::clone(&count) as Arc<dyn Progress>)).await;
    assert_eq!(count.0.load(Ordering::Relaxed), 6);
}
