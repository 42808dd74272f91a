//! The process that is maltreated: does one step after another, and says so after each.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, Location, Name, OpenBlob, Piece, PieceStream,
    Sink as _,
};
use wharf_reference::Algorithm;
use wharf_store::{Collect, Layout, Prune};
use wharf_testkit::{
    Image,
    faults::{self, say},
};

/// The image with this number: a config, a small layer, one of two writes.
pub(crate) fn image(number: u64) -> Image {
    Image::builder()
        .files(&[("number", number.to_string().as_bytes())])
        .noise(number, 600_000)
        .finish()
}

/// Runs `STORE STEP...`; what each step is called stands in [`step`].
pub(crate) fn run(arguments: &[String]) -> i32 {
    let (store, steps) = arguments.split_first().expect("a store");
    faults::work(steps, &async |text: &str| step(Path::new(store), text).await)
}

/// Does one step with a handle of its own.
pub(crate) async fn step(path: &Path, text: &str) -> Result<(), Error> {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    let name = |at: usize| Name::parse(words[at]).expect("a name");
    let store = Layout::create(path).await?;
    match words[0] {
        "pull" => pull(&store, &image(number(1)), &name(2), Order::Forwards).await,
        "scatter" => pull(&store, &image(number(1)), &name(2), Order::Scattered).await,
        "ingest" => ingest(&store, &image(number(1)), &name(2)).await,
        "cut" => cut(&store, &image(number(1))).await,
        "tag" => {
            store
                .tag(&name(2), image(number(1)).manifest().descriptor())
                .await
        }
        "untag" => store.untag(&name(1)).await.map(drop),
        "remove" => store.remove(&name(1).into()).await.map(drop),
        "collect" => store.collect(&Collect::default()).await.map(drop),
        "prune" => store.prune(Prune::All, &Collect::default()).await.map(drop),
        "repair" => store.repair().await.map(drop),
        "mount" => mount(&store, &image(number(1)), &name(2), Path::new(words[3])).await,
        "receive" => receive(&store, number(1)).await,
        "drop" => {
            let layout = store.make_exclusive().await?;
            layout.remove(received(number(1)).0.digest()).await.map(drop)
        }
        other => panic!("no step {other}"),
    }
}

async fn pull(store: &Layout, image: &Image, name: &Name, order: Order) -> Result<(), Error> {
    for content in image.blobs() {
        if !store.contains(&content.0).await? {
            store.push_blob(Fetched::blob(content, usize::MAX, order)).await?;
        }
    }
    store.push_manifest(image.manifest(), Some(name)).await
}

/// An image whose blobs come without their digests.
async fn ingest(store: &Layout, image: &Image, name: &Name) -> Result<(), Error> {
    for (descriptor, bytes) in image.blobs() {
        let middle = bytes.len() / 2;
        let chunks = [bytes.slice(..middle), bytes.slice(middle..)].map(Ok);
        let stream = Box::pin(futures_util::stream::iter(chunks));
        let media_type = descriptor.media_type().clone();
        let ingested = store.ingest(media_type, Algorithm::Sha256, stream).await?;
        assert_eq!(ingested, *descriptor);
    }
    store.push_manifest(image.manifest(), Some(name)).await
}

/// A pull whose connection breaks in the large layer.
async fn cut(store: &Layout, image: &Image) -> Result<(), Error> {
    for content in image.blobs() {
        match store
            .push_blob(Fetched::blob(content, 550_000, Order::Forwards))
            .await
        {
            Err(error) if error.kind() == ErrorKind::Network => {}
            other => other?,
        }
    }
    Ok(())
}

async fn mount(store: &Layout, image: &Image, name: &Name, from: &Path) -> Result<(), Error> {
    let from = Location::Directory(from.to_owned());
    for content in image.blobs() {
        if !store.mount(&content.0, &from).await? {
            store
                .push_blob(Fetched::blob(content, usize::MAX, Order::Forwards))
                .await?;
        }
    }
    store.push_manifest(image.manifest(), Some(name)).await
}

/// What is received under this number: the large layer of the image.
pub(crate) fn received(number: u64) -> (Descriptor, Bytes) {
    let image = image(number);
    let blobs = image.blobs().iter();
    let largest = blobs.max_by_key(|(descriptor, _)| descriptor.size());
    largest.expect("it has layers").clone()
}

/// An upload as a registry takes it: continued where one was cut, and hashed when it is whole.
async fn receive(store: &Layout, number: u64) -> Result<(), Error> {
    let layout = store.make_exclusive().await?;
    let (descriptor, bytes) = received(number);
    let id = format!("u{number}");
    loop {
        if !layout.uploads().await?.contains(&id) {
            layout.begin(&id).await?;
        }
        let mut offset = usize::try_from(layout.flush(&id).await?).expect("a small upload");
        for end in [200_000, bytes.len()] {
            if offset < end {
                layout
                    .append(&id, offset as u64, vec![bytes.slice(offset..end)])
                    .await?;
                offset = usize::try_from(layout.flush(&id).await?).expect("a small upload");
            }
        }
        let mut hasher = Hasher::new(Algorithm::Sha256)?;
        let mut stream = layout.read_upload(&id).await?;
        while let Some(chunk) = stream.try_next().await? {
            hasher.update(&chunk);
        }
        let content = hasher.prove()?;
        if content.digest() == descriptor.digest() {
            return layout.commit(&id, &content).await;
        }
        layout.discard(&id).await?; // what a crash of the machine has left
    }
}

/// Bytes as a registry sends them; says on standard output how many were asked for.
struct Fetched {
    bytes: Bytes,
    breaks_at: usize,
    order: Order,
}

/// How a blob arrives.
#[derive(Clone, Copy)]
enum Order {
    Forwards,
    /// The second half of every 128 KiB comes first.
    Scattered,
}

impl Fetched {
    fn blob((descriptor, bytes): &(Descriptor, Bytes), breaks_at: usize, order: Order) -> Blob {
        let opener = Self {
            bytes: bytes.clone(),
            breaks_at,
            order,
        };
        Blob::new(descriptor.clone(), Arc::new(opener)).expect("sha256 is supported")
    }
}

#[async_trait]
impl OpenBlob for Fetched {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let end = self.bytes.len().min(self.breaks_at);
        let start = usize::try_from(offset).expect("a small blob").min(end);
        say(&format!("fetch {}\n", end - start));
        let mut chunks: Vec<Result<Bytes, Error>> = (start..end)
            .step_by(64 * 1024)
            .map(|at| Ok(self.bytes.slice(at..(at + 64 * 1024).min(end))))
            .collect();
        if end < self.bytes.len() {
            chunks.push(Err(Error::new(ErrorKind::Network, "the connection broke")));
        }
        Ok(Box::pin(futures_util::stream::iter(chunks)))
    }
    async fn open_pieces(&self, offset: u64) -> Result<PieceStream, Error> {
        let chunks = self.open(offset).await?;
        let mut at = offset;
        let mut pieces: Vec<Result<Piece, Error>> = Vec::new();
        for chunk in chunks.collect::<Vec<_>>().await {
            let (offset, bytes) = (at, chunk?);
            at += bytes.len() as u64;
            pieces.push(Ok(Piece { offset, bytes }));
        }
        if matches!(self.order, Order::Scattered) {
            pieces.chunks_mut(2).for_each(<[_]>::reverse);
        }
        Ok(Box::pin(futures_util::stream::iter(pieces)))
    }
}
