//! Archives that come as streams are loaded into a sink.

mod feed;
mod images;
mod outer;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::Mutex;
use wharf_content::{Blob, ByteStream, Descriptor, Error, ErrorKind, MediaType, Name, Sink};
use wharf_layer::{
    Codec, MAGIC_SIZE,
    tar::{Kind, Member},
};
use wharf_reference::{Algorithm, Digest};

use self::feed::{Content, Feed, Next};
use crate::{
    error::{error, shown},
    tar::names::{Names, digest_of, verify},
};

/// The most bytes of a member that is kept in memory until it is known what it is: one that begins as JSON.
const MAX_KEPT_MEMBER: u64 = 4 << 20;
/// The most bytes of all members that are kept in memory.
const MAX_KEPT: u64 = 20 << 20;

/// An image that [`load`] has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// The names that it has in the sink now.
    pub names: Vec<Name>,
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// The digest of the config, of an image that has one.
    pub image_id: Option<Digest>,
}

/// Loads the images of an archive that comes as a stream, such as standard input or the body of a response: of
/// each form that [`Archive`](crate::Archive) reads, whatever the order of its members, also compressed as a whole
/// (by feature).
///
/// Blobs are written to the sink as they come. Documents are kept in memory, some megabytes at most, until the end
/// of the archive; then manifests are pushed, and names are set last. If the archive is broken, no name is set.
///
/// ```no_run
/// # async fn example(store: &impl wharf_content::Sink) -> Result<(), wharf_content::Error> {
/// use wharf_archive::{load, read_stream};
///
/// for image in load(read_stream(std::io::stdin()), store).await? {
///     println!("Loaded image: {:?}", image.names);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Those of [`Archive::open`](crate::Archive::open), for the content of the archive; [`ErrorKind::Unsupported`] if a
/// blob has no digest in its name and the sink takes none of unknown digest ([`Sink::can_ingest`]);
/// [`ErrorKind::Invalid`] for a name that no sink can have; the errors of the stream and the sink.
pub async fn load(stream: ByteStream, sink: &(impl Sink + ?Sized)) -> Result<Vec<Loaded>, Error> {
    let pinned = sink.pinned();
    let members = match &pinned {
        Some(pinned) => read(stream, &**pinned).await?,
        None => read(stream, sink).await?,
    };
    match &pinned {
        Some(pinned) => images::push(&members, &**pinned).await,
        None => images::push(&members, sink).await,
    }
}

/// The outcome for one member.
#[derive(Debug, Clone)]
enum Stored {
    /// It is in memory.
    Kept(Bytes),
    /// It is in the sink.
    Pushed { digest: Digest, size: u64, codec: Codec },
}

/// Reads all members; those that are no documents are in the sink afterwards.
async fn read(stream: ByteStream, sink: &(impl Sink + ?Sized)) -> Result<Names<Stored>, Error> {
    let feed = Arc::new(Mutex::new(Feed::new(outer::plain(stream).await?)));
    let mut names = Names::default();
    let mut room = MAX_KEPT;
    loop {
        let mut guard = Arc::clone(&feed).lock_owned().await;
        let member = match guard.next().await? {
            Next::Member(member) => member,
            Next::End => return Ok(names),
            Next::Content(_) | Next::MemberEnd => continue, // what the sink did not read
        };
        let stored = match member.kind() {
            Kind::File { size } => {
                let head = head(&mut guard).await?;
                if *size <= MAX_KEPT_MEMBER && begins_as_json(&head) {
                    room = room.checked_sub(*size).ok_or_else(too_many_documents)?;
                    let bytes = rest(head, &mut guard).await?;
                    verify(&String::from_utf8_lossy(member.name()), &bytes)?;
                    Stored::Kept(bytes)
                } else {
                    push(sink, &member, *size, Content::new(head, guard)).await?
                }
            }
            _ => Stored::Kept(Bytes::new()),
        };
        names.add(&member, |_| stored)?;
    }
}

fn too_many_documents() -> Error {
    error(
        ErrorKind::TooLarge,
        format_args!("the documents of the archive have more than {MAX_KEPT} bytes"),
    )
}

/// The first bytes of a member's content.
async fn head(feed: &mut Feed) -> Result<Bytes, Error> {
    let mut head = BytesMut::new();
    while head.len() < MAGIC_SIZE {
        match feed.next().await? {
            Next::Content(bytes) => head.extend_from_slice(&bytes),
            _ => break,
        }
    }
    Ok(head.freeze())
}

/// All content of a member.
async fn rest(head: Bytes, feed: &mut Feed) -> Result<Bytes, Error> {
    let mut whole = BytesMut::from(head);
    while let Some(bytes) = feed.content().await? {
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.freeze())
}

fn begins_as_json(head: &[u8]) -> bool {
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, None | Some(b'{' | b'[' | b'n'))
}

/// Writes the content of a member to the sink.
async fn push(
    sink: &(impl Sink + ?Sized),
    member: &Member,
    size: u64,
    content: Content,
) -> Result<Stored, Error> {
    let codec = Codec::of_magic(content.head()).map_err(|cause| about(member, &cause))?;
    let named = str::from_utf8(member.name()).ok().and_then(digest_of);
    let digest = match named {
        Some(digest) => {
            let descriptor = Descriptor::new(MediaType::OCTET_STREAM, digest.clone(), size)?;
            if !sink.contains(&descriptor).await? {
                let blob =
                    Blob::once(descriptor, Box::pin(content)).map_err(|cause| about(member, &cause))?;
                sink.push_blob(blob).await?;
            }
            digest
        }
        None if sink.can_ingest() => {
            let ingested = sink.ingest(MediaType::OCTET_STREAM, Algorithm::Sha256, Box::pin(content));
            ingested.await?.digest().clone()
        }
        None => {
            return Err(error(
                ErrorKind::Unsupported,
                format_args!(
                    "the digest of the member {} is not known, and {} takes no such blob; load the archive into a \
                     store first",
                    shown(member.name()),
                    sink.location()
                ),
            ));
        }
    };
    Ok(Stored::Pushed { digest, size, codec })
}

fn about(member: &Member, cause: &Error) -> Error {
    error(
        cause.kind(),
        format_args!("the member {} cannot be used: {cause}", shown(member.name())),
    )
}
