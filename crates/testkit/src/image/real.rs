use std::{
    collections::VecDeque,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use wharf_content::{Descriptor, Hasher, ImageBuilder, ImageConfig, Manifest, MediaType, Platform};
use wharf_reference::{Algorithm, Digest};

use super::layout;

/// Compressed size of each layer in bytes, at least: 168 MB together, of unlike lengths as real layers are.
const LAYERS: [u64; 5] = [68_000_000, 52_000_000, 30_000_000, 14_000_000, 4_000_000];
/// Where the content comes from, in this order.
const ROOTS: [&str; 2] = ["/usr/share", "/usr/lib"];
/// Longer files are left out, so that one file does not fill a layer.
const LONGEST_FILE: u64 = 24_000_000;
/// For the same reason, a file is at most this part of its layer.
const LARGEST_PART: u64 = 4;
/// Part of the cache's name; another number makes the image again.
const FORMAT: u32 = 1;

/// A large image of this machine's own files in an OCI layout on disk, made once and kept in the build
/// directory.
///
/// Its content differs from machine to machine, so nothing may expect a certain digest.
#[derive(Debug, Clone)]
pub struct RealImage {
    layout: PathBuf,
    manifest: Manifest,
}

impl RealImage {
    /// The tag under which the layout has it.
    pub const TAG: &'static str = "real";

    /// Five gzip layers, 168 MB and a little more. Makes the image, or finds it made. It takes some ten
    /// seconds once; other processes wait.
    pub fn cached() -> Self {
        Self::of_layers("image", &LAYERS)
    }

    /// Gzip layers that have these lengths in bytes, and a little more. The name is the cache's: another list
    /// of lengths takes another name.
    pub fn of_layers(name: &str, lengths: &[u64]) -> Self {
        Self::kept(name, |layout| {
            let (mut files, mut padding) = (Files::new(), 0);
            make(layout, lengths.len(), &mut |number, written| {
                let length = lengths.get(number).copied().unwrap_or_default();
                let longest = LONGEST_FILE.min(length / LARGEST_PART);
                (written < length).then(|| {
                    files.next_within(longest).unwrap_or_else(|| {
                        // A machine with few files still gets an image of the promised size.
                        padding += 1;
                        let size = usize::try_from(longest.min(1_000_000)).expect("a file's size");
                        let content = super::noise(padding ^ ((number as u64) << 32), size);
                        (PathBuf::from(format!("padding/{number}-{padding}")), content)
                    })
                })
            });
        })
    }

    /// One gzip layer with this many files of 1 KiB, a hundred in a directory. Half of each compresses.
    pub fn of_small_files(files: u32) -> Self {
        Self::kept(&format!("small-files-{files}"), |layout| {
            let mut made = 0;
            make(layout, 1, &mut |_, _| {
                let file = made;
                made += 1;
                let name = format!("srv/{}/file{}", file / 100, file % 100);
                (file < files).then(|| {
                    let mut content = super::noise(u64::from(file), 512);
                    content.resize(1024, b'.');
                    (PathBuf::from(name), content)
                })
            });
        })
    }

    /// The image that was made under this name, or makes it.
    fn kept(name: &str, make: impl FnOnce(&Path)) -> Self {
        let cache = target_directory().join("testkit");
        fs::create_dir_all(&cache).expect("a folder in the build directory");
        let layout = cache.join(format!("real-{name}-{FORMAT}"));
        let lock = fs::File::create(cache.join(format!("real-{name}-{FORMAT}.lock"))).expect("a lock file");
        lock.lock().expect("the lock");
        if !layout.join("index.json").exists() {
            let fresh = tempfile::tempdir_in(&cache).expect("a temporary folder");
            make(fresh.path());
            fs::rename(fresh.keep(), &layout).expect("the finished layout moves to its place");
        }
        let index = fs::read(layout.join("index.json")).expect("index.json");
        let index: serde_json::Value = serde_json::from_slice(&index).expect("index.json is JSON");
        let digest = index["manifests"][0]["digest"].as_str().expect("a digest");
        let digest = Digest::parse(digest).expect("a digest");
        let bytes = fs::read(blob_path(&layout, &digest)).expect("the manifest");
        let manifest = Manifest::parse_pinned(bytes.into(), None, &digest).expect("the manifest is valid");
        Self { layout, manifest }
    }

    /// The folder of the OCI layout; do not write into it.
    pub fn layout(&self) -> &Path {
        &self.layout
    }

    /// The manifest.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The file with the blob of this digest.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        blob_path(&self.layout, digest)
    }

    /// The bytes of config and layers together.
    pub fn size(&self) -> u64 {
        self.manifest.blobs().map(Descriptor::size).sum()
    }
}

fn blob_path(layout: &Path, digest: &Digest) -> PathBuf {
    layout
        .join("blobs")
        .join(digest.algorithm_name())
        .join(digest.encoded())
}

/// Cargo's build directory: the nearest folder above the running program that cargo marked as its own.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("the path of the running program");
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    let found = program.ancestors().find(marked).map(Path::to_owned);
    found.unwrap_or_else(std::env::temp_dir)
}

/// The next file of a layer, by the layer's number and the compressed bytes written so far; `None` at its end.
type NextFile<'a> = &'a mut dyn FnMut(usize, u64) -> Option<(PathBuf, Vec<u8>)>;

fn make(layout: &Path, layers: usize, next: NextFile<'_>) {
    fs::create_dir_all(layout.join("blobs/sha256")).expect("a folder for blobs");
    let mut image = ImageBuilder::new();
    let mut config = ImageConfig::builder(Platform::new("linux", "amd64"))
        .with_created("2024-01-01T00:00:00Z")
        .with_cmd(["/bin/sh"]);
    for number in 0..layers {
        let (descriptor, diff_id) = make_layer(layout, number, next);
        image = image.with_layer(descriptor);
        config = config.with_diff_id(&diff_id);
    }
    let config = config.build().expect("the config is valid");
    let image = image.with_config(config).build().expect("the image is valid");
    let config = image
        .blobs()
        .map(|(descriptor, bytes)| (descriptor.digest(), bytes));
    for (digest, bytes) in config.chain([(image.digest(), image.root().bytes())]) {
        fs::write(blob_path(layout, digest), bytes).expect("a blob on disk");
    }
    layout::finish_layout(layout, &[layout::named(image.root(), RealImage::TAG)]);
}

fn make_layer(layout: &Path, number: usize, next: NextFile<'_>) -> (Descriptor, Digest) {
    let partial = layout.join(format!("layer-{number}"));
    let file = fs::File::create(&partial).expect("a layer's file");
    let compressed = GzEncoder::new(Hashing::new(io::BufWriter::new(file)), Compression::fast());
    let mut tar = tar::Builder::new(Hashing::new(compressed));
    while let Some((path, content)) = next(number, tar.get_ref().inner.get_ref().hasher.count()) {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_slice())
            .expect("a layer's entry");
    }
    let (compressed, diff_id) = tar.into_inner().expect("a layer's tar").finish();
    let (mut file, digest) = {
        let hashing = compressed.finish().expect("a layer's gzip");
        (hashing.inner, hashing.hasher.finish().expect("sha256"))
    };
    file.flush().expect("a layer on disk");
    let size = file.get_ref().metadata().expect("a layer's size").len();
    fs::rename(partial, blob_path(layout, &digest)).expect("a layer moves to its name");
    let descriptor = Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, size).expect("a fitting size");
    (descriptor, diff_id)
}

/// A writer that hashes what passes.
struct Hashing<W> {
    inner: W,
    hasher: Hasher,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        let hasher = Hasher::new(Algorithm::Sha256).expect("sha256 is supported");
        Self { inner, hasher }
    }

    fn finish(self) -> (W, Digest) {
        (self.inner, self.hasher.finish().expect("sha256 is supported"))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The readable regular files under [`ROOTS`], in the order of their names, as tar path and content.
struct Files {
    pending: VecDeque<PathBuf>,
}

impl Files {
    fn new() -> Self {
        let pending = ROOTS.iter().map(PathBuf::from).collect();
        Self { pending }
    }

    /// The next file of at most `longest` bytes; longer ones are passed over.
    fn next_within(&mut self, longest: u64) -> Option<(PathBuf, Vec<u8>)> {
        loop {
            let path = self.pending.pop_front()?;
            let Ok(metadata) = path.symlink_metadata() else {
                continue;
            };
            if metadata.is_dir() {
                let Ok(entries) = fs::read_dir(&path) else {
                    continue;
                };
                let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                names.sort();
                for name in names.into_iter().rev() {
                    self.pending.push_front(name);
                }
            } else if metadata.is_file()
                && metadata.len() <= longest
                && let (Ok(content), Ok(name)) = (fs::read(&path), path.strip_prefix("/"))
            {
                return Some((name.to_owned(), content));
            }
        }
    }
}
