//! Blobs that arrive in any order.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use wharf_content::{
    Blob, ByteStream, Error, ErrorKind, Event, Hasher, OpenBlob, Piece, PieceStream, Pieces, Progress,
};
use wharf_reference::Algorithm;

use crate::blob::descriptor;

const CONTENT: &[u8] = b"abcdefgh";

/// Pieces by their offsets, as a source sends them.
struct Scattered(Vec<(u64, &'static [u8])>);

#[async_trait]
impl OpenBlob for Scattered {
    async fn open(&self, _: u64) -> Result<ByteStream, Error> {
        unreachable!("the reader wants pieces")
    }

    async fn open_pieces(&self, from: u64) -> Result<PieceStream, Error> {
        let pieces: Vec<Result<Piece, Error>> = self
            .0
            .iter()
            .filter(|(offset, _)| *offset >= from)
            .map(|(offset, bytes)| {
                let bytes = Bytes::from_static(bytes);
                Ok(Piece {
                    offset: *offset,
                    bytes,
                })
            })
            .collect();
        Ok(Box::pin(stream::iter(pieces)))
    }
}

/// Bytes and where they belong.
type Scrap = (u64, &'static [u8]);

fn scattered(pieces: &[Scrap]) -> Blob {
    Blob::new(descriptor(CONTENT), Arc::new(Scattered(pieces.to_vec()))).unwrap()
}

/// Writes pieces where they belong, and gives back what is due one byte at a time.
async fn write(mut pieces: Pieces, file: &mut [u8]) -> Option<ErrorKind> {
    while let Some(piece) = pieces.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                assert!(pieces.next().await.is_none(), "what failed has ended");
                return Some(error.kind());
            }
        };
        let at = usize::try_from(piece.offset).unwrap();
        file[at..at + piece.bytes.len()].copy_from_slice(&piece.bytes);
        while let Some(due) = pieces.due() {
            let at = usize::try_from(due.start).unwrap();
            pieces.give_back(&file[at..=at]);
        }
    }
    None
}

#[tokio::test]
async fn pieces_in_any_order_are_the_blob_or_an_error() {
    let mismatch = Some(ErrorKind::Mismatch);
    let cases: &[(&[Scrap], Option<ErrorKind>)] = &[
        (&[(0, b"abcdefgh")], None),
        (&[(0, b"abc"), (3, b""), (3, b"defgh")], None),
        (&[(5, b"fgh"), (2, b"cde"), (0, b"ab")], None),
        (&[(2, b"cd"), (0, b"ab"), (6, b"gh"), (4, b"ef")], None),
        // What comes again replaces what was there.
        (&[(4, b"XX"), (4, b"ef"), (6, b"gh"), (0, b"abcd")], None),
        (&[(4, b"efXX"), (0, b"abcdefgh")], None),
        (&[(4, b"XXgh"), (0, b"abcdef")], None),
        (&[(0, b"ab"), (4, b"efgh")], mismatch),
        (&[(0, b"abcdefg")], mismatch),
        (&[], mismatch),
        (&[(4, b"efgX"), (0, b"abcd")], mismatch),
        (&[(4, b"efgh"), (0, b"Xbcd")], mismatch),
        (&[(4, b"efghi"), (0, b"abcd")], mismatch),
        (&[(u64::MAX, b"a")], mismatch),
        // What has been hashed stays as it was hashed.
        (&[(0, b"abcd"), (2, b"XXefgh")], None),
        (&[(4, b"efgh"), (0, b"abcd"), (2, b"XXXXXX"), (0, b"")], None),
    ];
    for (sent, end) in cases {
        let mut file = [0; 8];
        let pieces = scattered(sent).into_pieces().unwrap();
        assert_eq!(write(pieces, &mut file).await, *end, "{sent:?}");
        assert!(end.is_some() || file == CONTENT, "{sent:?}");
    }
}

#[tokio::test]
async fn what_is_given_back_is_what_counts() {
    // Written wrong, or not read back at all: the bytes that were received do not help.
    let sent: &[(u64, &'static [u8])] = &[(4, b"efgh"), (0, b"abcd")];
    for (given, end) in [
        (&b"efgh"[..], None),
        (b"efghijkl", None),
        (b"efgX", Some(ErrorKind::Mismatch)),
        (b"efg", Some(ErrorKind::Invalid)),
        (b"", Some(ErrorKind::Invalid)),
    ] {
        let mut pieces = scattered(sent).into_pieces().unwrap();
        assert_eq!(pieces.next().await.unwrap().unwrap().offset, 4);
        assert_eq!(pieces.due(), None);
        pieces.give_back(b"nothing is due yet");
        assert_eq!(pieces.next().await.unwrap().unwrap().end(), 4);
        assert_eq!((pieces.due(), pieces.hasher().count()), (Some(4..8), 4));
        pieces.give_back(given);
        let ended = pieces.next().await.map(|piece| piece.unwrap_err().kind());
        assert_eq!(ended, end, "{given:?}");
    }
}

#[tokio::test]
async fn any_blob_comes_in_pieces_from_where_it_is() {
    let bytes = || Blob::from_bytes(descriptor(CONTENT), Bytes::from_static(CONTENT)).unwrap();
    let mut file = *b"abc-----";
    let mut hasher = Hasher::new(Algorithm::Sha256).unwrap();
    hasher.update(b"abc");
    let rest = bytes().resume(hasher).unwrap().into_pieces().unwrap();
    assert_eq!(write(rest, &mut file).await, None);
    assert_eq!(file, CONTENT);

    let stream: ByteStream = Box::pin(stream::iter([Ok(Bytes::from_static(CONTENT))]));
    let once = Blob::once(descriptor(CONTENT), stream).unwrap();
    assert_eq!(write(once.into_pieces().unwrap(), &mut [0; 8]).await, None);

    // Somebody has verified it before; here it is hashed all the same.
    let wrong = Arc::new(Scattered(vec![(0, b"abcdefgX")]));
    let vouched = Blob::verified_before(descriptor(CONTENT), wrong);
    let ended = write(vouched.into_pieces().unwrap(), &mut [0; 8]).await;
    assert_eq!(ended, Some(ErrorKind::Mismatch));

    let mut begun = bytes();
    let _ = begun.next().await;
    assert_eq!(begun.into_pieces().unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn progress_counts_each_byte_once() {
    #[derive(Default)]
    struct Sum(std::sync::atomic::AtomicU64);
    impl Progress for Sum {
        fn event(&self, event: Event<'_>) {
            if let Event::Advanced { bytes, .. } = event {
                self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }
    let sum = Arc::new(Sum::default());
    let blob = scattered(&[(4, b"ef"), (4, b"efgh"), (0, b"abcdef")]);
    let blob = blob.with_progress(Arc::clone(&sum) as Arc<dyn Progress>);
    assert_eq!(write(blob.into_pieces().unwrap(), &mut [0; 8]).await, None);
    assert_eq!(sum.0.load(std::sync::atomic::Ordering::Relaxed), 8);
}
