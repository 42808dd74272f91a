use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_layer::{Codec, Decoder, Level, Limits, MAGIC_SIZE};

use crate::layers::{EditedTar, Stack, written};

/// The size in bytes of what is read of a file at a time.
const PIECE: usize = 256 << 10;

/// The bytes of a layer that is added to an image: a tar, plain or compressed with gzip or zstd, which its first bytes
/// tell.
///
/// ```
/// use wharf_image::NewLayer;
///
/// # fn example() -> Option<()> {
/// let layer = NewLayer::from_file("layer.tar.zst");
/// let layer = NewLayer::from_reader(std::io::stdin());
/// # None }
/// ```
#[derive(Clone)]
pub struct NewLayer {
    content: Arc<Content>,
    level: Option<Level>,
}

type Write = dyn Fn(&mut dyn io::Write) -> Result<(), Error> + Send + Sync;

enum Content {
    Bytes(Bytes),
    File(PathBuf),
    /// The bytes that a function writes.
    Written(Arc<Write>),
    /// The plain tar that a function writes.
    #[cfg_attr(
        not(all(feature = "apply", target_os = "linux")),
        expect(dead_code, reason = "a directory alone is known to become one")
    )]
    Tar(Arc<Write>),
    /// Layers that are merged to one.
    Merged(Stack),
    /// A layer whose members are edited.
    Edited(EditedTar),
    /// Bytes that can be read once; `None` after that.
    Once(Mutex<Option<ByteStream>>),
}

impl NewLayer {
    /// A layer of these bytes.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self::of(Content::Bytes(bytes.into()))
    }

    /// A layer in a file, which must not change until the image is copied. A pipe that has a name is refused:
    /// open it, and use [`NewLayer::from_reader`].
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self::of(Content::File(path.into()))
    }

    /// A layer that is read once, such as standard input, on a blocking thread.
    pub fn from_reader(reader: impl Read + Send + 'static) -> Self {
        Self::from_stream(pieces(Box::new(reader), "the stream of a layer".to_owned()))
    }

    /// A layer that is read once.
    pub fn from_stream(bytes: ByteStream) -> Self {
        Self::of(Content::Once(Mutex::new(Some(bytes))))
    }

    /// A layer that a function writes on a blocking thread: the same bytes each time that it is called. So the changes of a
    /// directory, or the members of another tar, become a layer without a file for it.
    ///
    /// ```
    /// use wharf_image::NewLayer;
    /// use wharf_layer::tar::{Member, Writer};
    ///
    /// let layer = NewLayer::from_writer(|out| {
    ///     let mut tar = Writer::new();
    ///     let written = [tar.member(&Member::directory("srv")?)?, tar.end_member()?.into(), tar.finish()?.into()];
    ///     out.write_all(&written.concat()).map_err(|error| wharf_content::Error::wrap(wharf_content::ErrorKind::Storage, error))
    /// });
    /// # let _ = layer;
    /// ```
    pub fn from_writer(
        write: impl Fn(&mut dyn io::Write) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        Self::of(Content::Written(Arc::new(write)))
    }

    /// A plain tar that a function writes, the same bytes each time.
    #[cfg(all(feature = "apply", target_os = "linux"))]
    pub(crate) fn from_tar_writer(
        write: impl Fn(&mut dyn io::Write) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        Self::of(Content::Tar(Arc::new(write)))
    }

    fn of(content: Content) -> Self {
        Self {
            content: Arc::new(content),
            level: None,
        }
    }

    /// Compresses the layer at this level, whatever it is compressed with now and whatever the recipe says of layers. By
    /// default a plain tar is compressed with gzip at its default level, and others keep their bytes.
    ///
    /// ```
    /// use wharf_image::{Codec, Level, NewLayer};
    ///
    /// # fn example() -> Result<(), wharf_content::Error> {
    /// let layer = NewLayer::from_file("layer.tar").with_level(Level::new(Codec::Gzip, 1)?);
    /// # let _ = layer; Ok(()) }
    /// ```
    #[must_use]
    pub fn with_level(mut self, level: impl Into<Option<Level>>) -> Self {
        self.level = level.into();
        self
    }

    /// The level that was set.
    pub(crate) const fn level(&self) -> Option<Level> {
        self.level
    }

    /// Layers that are merged to one.
    pub(crate) fn merged(stack: Stack) -> Self {
        Self::of(Content::Merged(stack))
    }

    /// A layer whose members are edited.
    pub(crate) fn edited(tar: EditedTar) -> Self {
        Self::of(Content::Edited(tar))
    }

    /// A decoder of the bytes. What is made here is a plain tar, whatever the name of its first member looks like.
    pub(crate) fn decoder(&self, limits: Limits) -> Decoder {
        match &*self.content {
            Content::Merged(_) | Content::Edited(_) | Content::Tar(_) => Decoder::new(Codec::Plain, limits),
            _ => Decoder::by_magic(limits),
        }
    }

    /// True for a plain tar that this library writes of files, so that its form need not be checked.
    pub(crate) fn is_tar(&self) -> bool {
        matches!(*self.content, Content::Tar(_))
    }

    /// True if the bytes can be read again.
    pub(crate) fn can_reopen(&self) -> bool {
        match &*self.content {
            Content::Bytes(_) | Content::File(_) | Content::Written(_) | Content::Tar(_) => true,
            Content::Merged(stack) => stack.can_reopen(),
            Content::Edited(tar) => tar.can_reopen(),
            Content::Once(_) => false,
        }
    }

    /// The number of bytes, if it is known.
    pub(crate) fn size(&self) -> Option<u64> {
        match &*self.content {
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            _ => None,
        }
    }

    /// Opens the bytes.
    pub(crate) async fn open(&self) -> Result<ByteStream, Error> {
        match &*self.content {
            Content::Bytes(bytes) => {
                let bytes = bytes.clone();
                Ok(stream::once(async move { Ok(bytes) }).boxed())
            }
            Content::File(path) => {
                let (name, path) = (format!("the layer {}", path.display()), path.clone());
                let opened = tokio::task::spawn_blocking(move || open_regular(&path)).await;
                let opened = opened.map_err(|error| Error::wrap(ErrorKind::Other, error))?;
                let file = opened.map_err(|error| unreadable(&name, error))?;
                Ok(pieces(Box::new(file), name))
            }
            Content::Written(write) | Content::Tar(write) => {
                let write = Arc::clone(write);
                Ok(written(move |out| write(out)))
            }
            Content::Merged(stack) => Ok(stack.open()),
            Content::Edited(tar) => Ok(tar.open()),
            Content::Once(bytes) => {
                let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner).take();
                bytes.ok_or_else(|| {
                    let message = "a layer that can be read once was read before; give the recipe a new one";
                    Error::new(ErrorKind::Conflict, message)
                })
            }
        }
    }

    /// The compression, by the first bytes.
    pub(crate) async fn codec(&self) -> Result<Codec, Error> {
        if self.is_tar() {
            return Ok(Codec::Plain); // without a look, for which a whole tree would be read
        }
        let mut bytes = self.open().await?;
        let mut head = BytesMut::new();
        while head.len() < MAGIC_SIZE
            && let Some(piece) = bytes.next().await
        {
            head.extend_from_slice(&piece?);
        }
        let codec = Codec::of_magic(head.get(..MAGIC_SIZE).unwrap_or(&head))?;
        if let Content::Once(again) = &*self.content {
            let head = head.freeze();
            let whole = stream::once(async move { Ok(head) }).chain(bytes).boxed();
            *again.lock().unwrap_or_else(PoisonError::into_inner) = Some(whole);
        }
        Ok(codec)
    }
}

/// The bytes of a reader, read on blocking threads.
fn pieces(reader: Box<dyn Read + Send>, name: String) -> ByteStream {
    let read = |(reader, name): (Box<dyn Read + Send>, String)| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = reader;
            let mut piece = Vec::with_capacity(PIECE);
            let count = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
            (reader, count.map(|_| piece))
        });
        let (reader, piece) = read.await.map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        let piece = piece.map_err(|error| unreadable(&name, error))?;
        Ok((!piece.is_empty()).then(|| (Bytes::from(piece), (reader, name))))
    };
    stream::try_unfold((reader, name), read).boxed()
}

/// Opens a regular file. A pipe is not waited for.
fn open_regular(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    let why =
        "it is not a regular file; a pipe is read once alone, as a stream, and a directory is made a layer";
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

fn unreadable(name: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::InvalidInput => ErrorKind::Invalid,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("{name} cannot be read")).with_source(error)
}

impl fmt::Debug for NewLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.content {
            Content::Bytes(bytes) => write!(f, "NewLayer({} bytes)", bytes.len()),
            Content::File(path) => write!(f, "NewLayer({})", path.display()),
            Content::Written(_) | Content::Tar(_) => f.write_str("NewLayer(written)"),
            Content::Merged(_) => f.write_str("NewLayer(merged)"),
            Content::Edited(_) => f.write_str("NewLayer(edited)"),
            Content::Once(_) => f.write_str("NewLayer(a stream)"),
        }
    }
}
