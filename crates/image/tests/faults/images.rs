//! The layers that the workers unpack, with members of every kind, and their images.

use std::fs;

use wharf_content::{BuiltImage, Hasher, ImageBuilder, Platform};
use wharf_image::{Codec, Level};
use wharf_layer::{
    ApplyOptions, DiffOptions, Encoder, Ownership, Profile,
    tar::{Kind, Member, Time, Writer},
};

/// The upper layer states the root, which nobody may write to then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Top {
    Open,
    Closed,
}

/// The layers of an image, lowest first.
pub(crate) fn layers(top: Top) -> [Vec<u8>; 2] {
    [lower(), upper(top)]
}

/// An image of the layers, the upper one compressed.
pub(crate) fn image(top: Top) -> BuiltImage {
    let [lower, upper] = layers(top);
    let mut compressed = Vec::new();
    let mut encoder = Encoder::new(Profile::V1, Level::default_of(Codec::Gzip), 1);
    encoder.encode(&upper, &mut compressed).unwrap();
    encoder.finish(&mut compressed).unwrap();
    let image = ImageBuilder::for_platform(Platform::new("linux", "amd64"))
        .with_tar(lower)
        .with_tar_gzip(compressed, &Hasher::sha256(&upper));
    image.build().unwrap()
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn ownership() -> Ownership {
    if is_root() {
        Ownership::Keep
    } else {
        Ownership::Current
    }
}

pub(crate) fn apply_options() -> ApplyOptions {
    ApplyOptions::default().with_ownership(ownership())
}

pub(crate) fn diff_options() -> DiffOptions {
    DiffOptions::default().with_ownership(ownership())
}

fn lower() -> Vec<u8> {
    let mut layer = Layer::default();
    layer.add(&directory(".", 0o755, 1));
    layer.add(&directory("d", 0o750, 2).with_xattr("user.of-directory", "1"));
    layer.file(
        &Member::file("d/file", 5)
            .unwrap()
            .with_xattr("user.a", "b")
            .with_owner(1000, 2000),
        "first",
    );
    layer.add(&Member::hard_link("d/hard", "d/file").unwrap());
    layer.add(
        &Member::symlink("link", "d")
            .unwrap()
            .with_modified(Time::new(3, 33)),
    );
    layer.add(&Member::new("fifo", Kind::Fifo).unwrap().with_mode(0o620));
    layer.file(&Member::file("gone", 1).unwrap(), "1");
    layer.file(&Member::file("missing/parents/file", 1).unwrap(), "1");
    layer.file(&Member::file("tree/a/b/c", 1).unwrap(), "1");
    layer.file(&Member::file("opaque/x", 1).unwrap(), "1");
    layer.file(&Member::file("opaque/y/z", 1).unwrap(), "1");
    layer.add(&directory("closed", 0o555, 4));
    layer.file(&Member::file("closed/file", 1).unwrap().with_mode(0o444), "1");
    let large = "0123456789abcdef".repeat(20_000);
    layer.file(&Member::file("large", large.len() as u64).unwrap(), &large);
    layer.finish()
}

fn upper(top: Top) -> Vec<u8> {
    let mut layer = Layer::default();
    if top == Top::Closed {
        layer.add(&directory(".", 0o555, 9));
    }
    layer.file(&Member::file(".wh.gone", 0).unwrap(), "");
    layer.file(&Member::file("opaque/.wh..wh..opq", 0).unwrap(), "");
    layer.file(&Member::file("opaque/new", 1).unwrap(), "2");
    layer.file(&Member::file("d/file", 6).unwrap().with_mode(0o4755), "second");
    layer.file(&Member::file("link/through", 1).unwrap(), "2");
    layer.file(&Member::file("tree", 1).unwrap(), "2");
    layer.file(&Member::file("closed/new", 1).unwrap(), "2");
    layer.add(&directory("missing", 0o711, 5));
    layer.add(&Member::symlink("fifo", "d/file").unwrap());
    layer.add(&Member::hard_link("again", "d/hard").unwrap());
    layer.finish()
}

fn directory(name: &str, mode: u32, seconds: i64) -> Member {
    Member::directory(name)
        .unwrap()
        .with_mode(mode)
        .with_modified(Time::new(seconds, 123_456_789))
}

/// A tar that is written.
#[derive(Default)]
struct Layer {
    writer: Writer,
    tar: Vec<u8>,
}

impl Layer {
    fn add(&mut self, member: &Member) {
        self.file(member, "");
    }

    fn file(&mut self, member: &Member, content: &str) {
        self.tar.extend(self.writer.member(member).unwrap());
        self.writer.content(content.len()).unwrap();
        self.tar.extend_from_slice(content.as_bytes());
        self.tar.extend_from_slice(self.writer.end_member().unwrap());
    }

    fn finish(mut self) -> Vec<u8> {
        self.tar.extend_from_slice(self.writer.finish().unwrap());
        self.tar
    }
}
