//! The memory for changing, adding and unpacking layers: the same for a layer of any size, and little for one that is made to take much.
//!
//! Each case runs in a process of its own, whose peak is read at its end. `WHARF_MEMORY` is the size of the layers in
//! MiB. Linux alone tells the peak.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests report by panicking"
)]

#[cfg(target_os = "linux")]
mod unpack;

use std::{
    env, fs,
    io::{self, Read},
    num::NonZeroUsize,
    process::Command,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, History, ImageBuilder, Location, Manifest,
    MediaType, Name, OpenBlob, Platform, Sink, Source, Target,
};
use wharf_image::{Codec, Layers, Level, NewLayer, Options, Recipe, prepare};
use wharf_layer::{
    Encoder, Profile,
    tar::{Member, Writer},
};
use wharf_reference::{Algorithm, Digest};
use wharf_testkit::campaign;

/// The most memory of a case, in KiB.
const MOST: u64 = 64 << 10;

/// The size of the layers in MiB, unless told otherwise.
const SIZE: usize = 128;

const MIB: usize = 1 << 20;

/// A layer that is one part again and again.
#[derive(Clone)]
struct Repeated {
    start: Bytes,
    part: Bytes,
    count: usize,
    end: Bytes,
}

impl Repeated {
    fn of(part: impl Into<Bytes>, count: usize) -> Self {
        Self {
            start: Bytes::new(),
            part: part.into(),
            count,
            end: Bytes::new(),
        }
    }

    fn parts(&self) -> impl Iterator<Item = Bytes> + use<> {
        let parts = std::iter::repeat_n(self.part.clone(), self.count);
        std::iter::once(self.start.clone())
            .chain(parts)
            .chain([self.end.clone()])
    }

    fn size(&self) -> u64 {
        (self.start.len() + self.part.len() * self.count + self.end.len()) as u64
    }

    fn digest(&self) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256).unwrap();
        self.parts().for_each(|part| hasher.update(&part));
        hasher.finish().unwrap()
    }
}

#[async_trait]
impl OpenBlob for Repeated {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        assert_eq!(offset, 0, "a layer is read from its start");
        Ok(Box::pin(stream::iter(self.parts().map(Ok))))
    }
}

/// An image of one layer.
struct One {
    manifest: Manifest,
    config: Bytes,
    layer: Repeated,
}

impl One {
    fn new(media_type: &MediaType, layer: Repeated, digest: &Digest, diff_id: &Digest) -> Self {
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
        );
        let config = Bytes::from(config);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{}","size":{}}},"layers":[{{"mediaType":"{media_type}","digest":"{digest}","size":{}}}]}}"#,
            MediaType::OCI_MANIFEST,
            MediaType::OCI_CONFIG,
            Hasher::sha256(&config),
            config.len(),
            layer.size(),
        );
        Self {
            manifest: Manifest::parse(manifest.into(), None).unwrap(),
            config,
            layer,
        }
    }
}

#[async_trait]
impl Source for One {
    async fn resolve(&self, _: &Target) -> Result<Descriptor, Error> {
        Ok(self.manifest.descriptor().clone())
    }

    async fn manifest(&self, _: &Target) -> Result<Manifest, Error> {
        Ok(self.manifest.clone())
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if *descriptor.media_type() == MediaType::OCI_CONFIG {
            return Blob::from_bytes(descriptor.clone(), self.config.clone());
        }
        Blob::new(descriptor.clone(), self.layer.clone())
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

/// A sink that keeps nothing.
struct Nowhere;

#[async_trait]
impl Sink for Nowhere {
    async fn contains(&self, _: &Descriptor) -> Result<bool, Error> {
        Ok(false)
    }

    async fn push_blob(&self, _: Blob) -> Result<(), Error> {
        panic!("nothing is copied")
    }

    async fn push_manifest(&self, _: &Manifest, _: Option<&Name>) -> Result<(), Error> {
        panic!("nothing is copied")
    }

    fn can_ingest(&self) -> bool {
        true
    }

    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        mut bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        let (mut hasher, mut size) = (Hasher::new(algorithm)?, 0);
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            size += chunk.len() as u64;
            hasher.update(&chunk);
        }
        Descriptor::new(media_type, hasher.finish()?, size)
    }

    fn accepts(&self, _: &Descriptor) -> Result<(), Error> {
        Ok(())
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

/// A mebibyte that compresses as files do.
fn mebibyte() -> Vec<u8> {
    let mut random = wharf_testkit::Random::new(5);
    let words: Vec<Vec<u8>> = (0..3000)
        .map(|_| random.number().to_le_bytes()[..3 + random.index(5)].to_vec())
        .collect();
    let mut bytes = Vec::with_capacity(MIB + 8);
    while bytes.len() < MIB {
        let word = &words[random.index(words.len()).min(random.index(words.len()))];
        bytes.extend_from_slice(word);
    }
    bytes.truncate(MIB);
    bytes
}

fn encoder(codec: Codec) -> Encoder {
    Encoder::new(Profile::V1, Level::default_of(codec), 1)
}

fn encoded(content: &[u8], codec: Codec) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = encoder(codec);
    encoder.encode(content, &mut bytes).unwrap();
    encoder.finish(&mut bytes).unwrap();
    bytes
}

fn type_of(codec: Codec) -> MediaType {
    match codec {
        Codec::Gzip => MediaType::OCI_LAYER_GZIP,
        Codec::Zstd => MediaType::OCI_LAYER_ZSTD,
        _ => MediaType::OCI_LAYER,
    }
}

async fn change(image: One, level: Level) -> Result<(), Error> {
    let target = Target::from(image.manifest.digest());
    let recipe = Recipe::new().layers(Layers::Exactly { level, force: true });
    // As many threads as a common machine has.
    let options = Options::default().with_threads(NonZeroUsize::new(4).unwrap());
    let prepared = prepare(Arc::new(image), Arc::new(Nowhere), &target, &recipe, &options).await?;
    assert_eq!(prepared.report().layers().len(), 1);
    Ok(())
}

/// The size of the layers.
fn size_in_mib() -> usize {
    campaign::number("WHARF_MEMORY").map_or(SIZE, |size| usize::try_from(size).unwrap())
}

/// The codec of a layer, and the codec and level that it gets.
const CHANGES: [(Codec, Codec, u8); 8] = [
    (Codec::Plain, Codec::Gzip, 1),
    (Codec::Plain, Codec::Gzip, 6),
    (Codec::Gzip, Codec::Gzip, 9),
    (Codec::Gzip, Codec::Plain, 0),
    (Codec::Plain, Codec::Zstd, 3),
    (Codec::Gzip, Codec::Zstd, 9),
    (Codec::Zstd, Codec::Zstd, 3),
    (Codec::Zstd, Codec::Gzip, 6),
];

async fn large_layer(number: usize) {
    let (from, to, level) = CHANGES[number];
    let count = size_in_mib();
    let part = mebibyte();
    let tar = Repeated::of(part.clone(), count);
    let layer = Repeated::of(
        if from == Codec::Plain {
            part
        } else {
            encoded(&part, from)
        },
        count,
    );
    let image = One::new(&type_of(from), layer.clone(), &layer.digest(), &tar.digest());
    let level = if to == Codec::Plain {
        Level::default_of(to)
    } else {
        Level::new(to, level).unwrap()
    };
    change(image, level)
        .await
        .unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
}

/// Layers of strangers, with the limit that stops them.
fn bombs() -> Vec<(&'static str, Codec, Repeated)> {
    // A mebibyte of zeros as one block of deflate after the other, without an end.
    let zeros = {
        let gzip = encoded(&vec![0; MIB], Codec::Gzip);
        Repeated::of(gzip, 10 * 1024)
    };
    let block = ((128_u32 * 1024) << 3 | 1 << 1).to_le_bytes();
    let unknown = Repeated {
        start: Bytes::from_static(&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3]),
        part: Bytes::copy_from_slice(&[block[0], block[1], block[2], 0].repeat(1024)),
        count: 80,
        end: Bytes::new(),
    };
    let window = Repeated::of(
        Bytes::from_static(&[0x28, 0xb5, 0x2f, 0xfd, 0, 31 << 3, 1, 0, 0]),
        1,
    );
    let members = |codec| Repeated::of(encoded(b"", codec).repeat(1000), 1000);
    vec![
        ("ratio", Codec::Gzip, zeros),
        ("ratio", Codec::Zstd, unknown),
        ("window_log", Codec::Zstd, window),
        ("members", Codec::Gzip, members(Codec::Gzip)),
        ("members", Codec::Zstd, members(Codec::Zstd)),
    ]
}

async fn bomb(number: usize) {
    let (field, codec, layer) = bombs().swap_remove(number);
    let diff_id = Hasher::sha256(b"it is not read to its end");
    let image = One::new(&type_of(codec), layer.clone(), &layer.digest(), &diff_id);
    let error = change(image, Level::default_of(Codec::Plain)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(
        error.to_string().contains(&format!("the limit `{field}` is")),
        "{error}"
    );
}

/// The codec of a stream that is added, and the layers of the recipe.
const ADDED: [(Codec, Layers); 4] = [
    (Codec::Plain, Layers::Keep),
    (Codec::Plain, Layers::Plain),
    (Codec::Gzip, Layers::Keep),
    (Codec::Zstd, Layers::Keep),
];

/// Added layers whose members are edited as they come: what they are compressed with.
const EDITED: [Codec; 2] = [Codec::Plain, Codec::Gzip];

/// A tar of one file, as it comes through a pipe.
async fn added(codec: Codec, layers: Layers, is_edited: bool) {
    let count = size_in_mib();
    let mut writer = Writer::new();
    let header = writer
        .member(&Member::file("file", (count * MIB) as u64).unwrap())
        .unwrap();
    let part = mebibyte();
    let ends = [header, vec![0; 1024]]; // a mebibyte needs no padding
    let [header, end] = if codec == Codec::Plain {
        ends
    } else {
        ends.map(|part| encoded(&part, codec))
    };
    let part = Bytes::from(if codec == Codec::Plain {
        part
    } else {
        encoded(&part, codec)
    });
    let parts = (0..count).map(move |_| part.clone());
    let pieces = std::iter::once(Bytes::from(header))
        .chain(parts)
        .chain([Bytes::from(end)]);
    let layer = NewLayer::from_reader(Pieces {
        pieces: Box::new(pieces),
        piece: Bytes::new(),
    });
    let scratch = ImageBuilder::for_platform(Platform::new("linux", "amd64"))
        .build()
        .unwrap();
    let target = scratch.digest().into();
    let mut recipe = Recipe::new().layers(layers).append(layer, History::default());
    if is_edited {
        recipe = recipe.members(|member| member.clone().with_owner(1000, 1000).into());
    }
    let options = Options::default().with_threads(NonZeroUsize::new(4).unwrap());
    let prepared = prepare(Arc::new(scratch), Arc::new(Nowhere), &target, &recipe, &options)
        .await
        .unwrap();
    assert_eq!(prepared.root().layers().len(), 1);
}

/// The bytes that come through a pipe.
struct Pieces {
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            self.piece = self.pieces.next().unwrap_or_default();
        }
        let count = self.piece.len().min(output.len()).min(64 << 10);
        output[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// The most memory that this process had, in KiB; `None` where the system does not tell.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn run(kind: &str, number: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    match kind {
        "large" => runtime.block_on(large_layer(number)),
        "added" => runtime.block_on(added(ADDED[number].0, ADDED[number].1, false)),
        "edited" => runtime.block_on(added(EDITED[number], Layers::Keep, true)),
        #[cfg(target_os = "linux")]
        "unpacked" => runtime.block_on(unpack::run(number)),
        _ => runtime.block_on(bomb(number)),
    }
    println!("peak {}", peak().unwrap_or_default());
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [kind, number] = arguments.as_slice()
        && let Ok(number) = number.parse()
    {
        return run(kind, number);
    }
    if !campaign::is_wanted("memory", &arguments) {
        return;
    }
    let large = (0..CHANGES.len()).map(|number| ("large", number));
    let added = (0..ADDED.len()).map(|number| ("added", number));
    let edited = (0..EDITED.len()).map(|number| ("edited", number));
    let bombs_changed = (0..bombs().len()).map(|number| ("bomb", number));
    let cases = large.chain(added).chain(edited).chain(bombs_changed);
    #[cfg(target_os = "linux")]
    let cases = cases.chain((0..unpack::CASES.len()).map(|number| ("unpacked", number)));
    for (kind, number) in cases {
        let program = env::current_exe().expect("this program has a path");
        let ended = Command::new(program)
            .args([kind, &number.to_string()])
            .output()
            .expect("a process");
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(
            ended.status.success(),
            "{kind} {number}: {said}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        let peak = said
            .lines()
            .find_map(|line| line.strip_prefix("peak ")?.parse::<u64>().ok());
        let peak = peak.expect("the process tells its peak");
        let what = match kind {
            "large" => {
                let (from, to, level) = CHANGES[number];
                format!("{from} to {to}-{level}")
            }
            #[cfg(target_os = "linux")]
            "unpacked" => format!("{:?}, unpacked", unpack::CASES[number]),
            "added" => format!("a stream of {}, {:?}", ADDED[number].0, ADDED[number].1),
            "edited" => format!("a stream of {}, edited", EDITED[number]),
            _ => format!("a bomb for {}", bombs()[number].0),
        };
        println!("{what}: {peak} KiB");
        assert!(peak < MOST, "{what} takes {peak} KiB, more than {MOST}");
    }
}
