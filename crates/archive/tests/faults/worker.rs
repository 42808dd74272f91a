//! The process that is maltreated: writes one image after another.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_archive::{Dir, Writer, WriterForm, WriterOptions};
use wharf_content::{Blob, ByteStream, Descriptor, Error, ErrorKind, Name, OpenBlob, Sink};
use wharf_reference::Algorithm;
use wharf_testkit::{Image, faults};

/// The image with this number: a config, a small layer, one of two batches of the writer.
pub(crate) fn image(number: u64) -> Image {
    Image::builder()
        .files(&[("number", number.to_string().as_bytes())])
        .noise(number, 1_200_000)
        .finish()
}

/// Runs `ROOT STEP...`; what each step is called stands in [`step`].
pub(crate) fn run(arguments: &[String]) -> i32 {
    let (root, steps) = arguments.split_first().expect("a directory");
    faults::work(steps, &async |text: &str| step(Path::new(root), text).await)
}

/// Does one step, `VERB NAME NUMBER`, in a directory.
pub(crate) async fn step(root: &Path, text: &str) -> Result<(), Error> {
    let words: Vec<&str> = text.split(' ').collect();
    let path = root.join(words[1]);
    let image = image(words[2].parse().expect("a number"));
    let new = WriterOptions::default();
    let replaced = WriterOptions::default().with_replace(true);
    let legacy = WriterOptions::default().with_form(WriterForm::DockerLegacy);
    match words[0] {
        "dir" => dir(&path, &image, How::Whole).await,
        "dir-ingest" => dir(&path, &image, How::Ingested).await,
        "dir-again" => dir(&path, &image, How::Again).await,
        "dir-cut" => dir(&path, &image, How::Cut).await,
        "tar" => tar(&path, &image, How::Whole, new).await,
        "tar-replace" => tar(&path, &image, How::Whole, replaced).await,
        "tar-ingest" => tar(&path, &image, How::Ingested, new).await,
        "tar-legacy" => tar(&path, &image, How::Whole, legacy).await,
        "tar-legacy-cut" => tar(&path, &image, How::Cut, legacy).await,
        "tar-legacy-again" => tar(&path, &image, How::Again, legacy).await,
        "tar-again" => tar(&path, &image, How::Again, new).await,
        "tar-cut" => tar(&path, &image, How::Cut, new).await,
        other => panic!("no step {other}"),
    }
}

/// How the blobs arrive.
#[derive(Clone, Copy)]
enum How {
    Whole,
    /// Without their digests.
    Ingested,
    /// The first connection breaks in the middle of each.
    Cut,
    /// A step that fails is done once more, with the same writer.
    Again,
}

impl How {
    async fn call<T>(self, call: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
        match call().await {
            Err(_) if matches!(self, Self::Again) => call().await,
            other => other,
        }
    }
}

async fn dir(path: &Path, image: &Image, how: How) -> Result<(), Error> {
    let writer = how.call(async || Dir::create(path).await).await?;
    push_blobs(&writer, image, how).await?;
    how.call(async || writer.push_manifest(image.manifest(), None).await)
        .await?;
    how.call(async || writer.finish().await).await.map(drop)
}

async fn tar(path: &Path, image: &Image, how: How, options: WriterOptions) -> Result<(), Error> {
    let create = async || Writer::create_with(path, options.clone()).await;
    let writer = how.call(create).await?;
    push_blobs(&writer, image, how).await?;
    let name = Name::parse("docker.io/library/app:1").expect("a name");
    how.call(async || writer.push_manifest(image.manifest(), Some(&name)).await)
        .await?;
    how.call(async || writer.finish().await).await.map(drop)
}

async fn push_blobs(sink: &dyn Sink, image: &Image, how: How) -> Result<(), Error> {
    for (descriptor, bytes) in image.blobs() {
        let whole = || Blob::from_bytes(descriptor.clone(), bytes.clone());
        match how {
            How::Whole | How::Again => how.call(async || sink.push_blob(whole()?).await).await?,
            How::Ingested => {
                let stream = chunks(bytes, bytes.len());
                let media_type = descriptor.media_type().clone();
                let ingested = sink.ingest(media_type, Algorithm::Sha256, stream).await?;
                assert_eq!(ingested, *descriptor);
            }
            How::Cut => {
                match sink.push_blob(broken(descriptor, bytes)).await {
                    Err(error) if error.kind() == ErrorKind::Network => {}
                    other => return other,
                }
                sink.push_blob(whole()?).await?;
            }
        }
    }
    Ok(())
}

/// A blob whose connection always breaks at its middle.
fn broken(descriptor: &Descriptor, bytes: &Bytes) -> Blob {
    Blob::new(descriptor.clone(), Arc::new(Broken(bytes.clone()))).expect("sha256 is supported")
}

struct Broken(Bytes);

#[async_trait]
impl OpenBlob for Broken {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let middle = self.0.len() / 2;
        let start = usize::try_from(offset).expect("a small blob").min(middle);
        Ok(chunks(&self.0.slice(start..), middle - start))
    }
}

/// The bytes in chunks, which break off after `end`.
fn chunks(bytes: &Bytes, end: usize) -> ByteStream {
    let mut chunks: Vec<Result<Bytes, Error>> = (0..end)
        .step_by(256 * 1024)
        .map(|at| Ok(bytes.slice(at..(at + 256 * 1024).min(end))))
        .collect();
    if end < bytes.len() {
        chunks.push(Err(Error::new(ErrorKind::Network, "the connection broke")));
    }
    Box::pin(futures_util::stream::iter(chunks))
}
