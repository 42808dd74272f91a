//! Archives that are broken, or made to do harm.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use wharf_archive::{Archive, Form, Writer};
use wharf_content::{Error, ErrorKind, Name, Source as _};
use wharf_testkit::{Image, noise};

use crate::{
    support::{Scratch, push, refused},
    tarball::{self, M, archive, header, member},
};

async fn open(path: &Path) -> Result<Archive, Error> {
    Archive::open(path, Form::Detect).await
}

/// The members of a docker-archive, and what stands around them.
fn saved(extra: Vec<(&'static str, M)>) -> Vec<(&'static str, M)> {
    let config = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let mut members = vec![
        ("config.json", M::text(config)),
        (
            "manifest.json",
            M::text(r#"[{"Config":"config.json","RepoTags":["a:1"],"Layers":[]}]"#),
        ),
    ];
    members.extend(extra);
    members
}

async fn opened(members: Vec<(&'static str, M)>) -> Result<Archive, Error> {
    let scratch = Scratch::new();
    let path = scratch.path("hostile.tar");
    tarball::write(&path, members);
    open(&path).await
}

#[tokio::test]
async fn members_that_no_image_archive_has_are_refused() {
    assert!(opened(saved(vec![])).await.is_ok());
    for (what, content, kind) in [
        ("hard", M::Hard("config.json"), ErrorKind::Unsupported),
        ("hard", M::Hard("/etc/passwd"), ErrorKind::Unsupported),
        ("fifo", M::Fifo, ErrorKind::Unsupported),
        ("device", M::Device, ErrorKind::Unsupported),
        ("sparse", M::Sparse(1 << 40), ErrorKind::Unsupported),
        ("../escape", M::text("x"), ErrorKind::Invalid),
        ("a/../../escape", M::text("x"), ErrorKind::Invalid),
        ("manifest.json", M::text("[]"), ErrorKind::Ambiguous),
        ("./manifest.json", M::text("[]"), ErrorKind::Ambiguous),
        ("/manifest.json", M::text("[]"), ErrorKind::Ambiguous),
        ("manifest.json", M::Link("config.json"), ErrorKind::Ambiguous),
        ("manifest.json/", M::Directory, ErrorKind::Ambiguous),
    ] {
        let failure = refused(opened(saved(vec![(what, content)])).await);
        assert_eq!(failure.kind(), kind, "{what}: {failure}");
        let text = failure.to_string();
        assert!(text.contains("hostile.tar"), "names the file: {text}");
        assert!(
            text.contains(what.trim_start_matches("./").trim_matches('/')),
            "names the member: {text}"
        );
    }
}

#[tokio::test]
async fn names_are_bounded() {
    let long: &'static str = "n/".repeat(2500).leak();
    let component: &'static str = "c".repeat(300).leak();
    for name in [long, component] {
        let failure = refused(opened(saved(vec![(name, M::text("x"))])).await);
        assert_eq!(failure.kind(), ErrorKind::TooLarge, "{failure}");
        assert!(failure.to_string().len() < 600, "{failure}");
    }
}

/// A PAX header with this record.
fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    let mut record = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let length = record.len() + 2;
    assert!((10..100).contains(&length));
    record.splice(0..0, length.to_string().into_bytes());
    [
        header("pax", b'x', "", record.len() as u64),
        tarball::padded(&record),
    ]
    .concat()
}

/// Programs in C end a name at a NUL, others take all of it: two readers would see two members.
#[tokio::test]
async fn a_name_with_a_nul_is_refused_wherever_it_stands() {
    let scratch = Scratch::new();
    let name: &[u8] = b"blobs/sha256/x\0/../../../etc/passwd";
    let long = |flag| {
        let header = header("././@LongLink", flag, "", name.len() as u64);
        [header, tarball::padded(name)].concat()
    };
    let good = archive(saved(vec![]));
    for (number, (what, extension, member)) in [
        ("a long name of GNU", long(b'L'), header("x", b'0', "", 0)),
        ("a long target of GNU", long(b'K'), header("x", b'2', "y", 0)),
        ("a path of PAX", pax("path", name), header("x", b'0', "", 0)),
        (
            "a target of PAX",
            pax("linkpath", name),
            header("x", b'2', "y", 0),
        ),
        (
            "a path of PAX that only ends in one",
            pax("path", b"manifest.json\0"),
            header("x", b'0', "", 0),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let path = scratch.path(&format!("nul-{number}.tar"));
        let bytes = [extension, member, good.clone()].concat();
        fs::write(&path, &bytes).unwrap();
        let failure = refused(open(&path).await);
        assert_eq!(failure.kind(), ErrorKind::Corrupt, "{what}: {failure}");
        assert!(failure.to_string().contains("NUL"), "{what}: {failure}");
        let store = wharf_store::Memory::new();
        let stream = wharf_archive::read_stream(File::open(&path).unwrap());
        let failure = refused(wharf_archive::load(stream, &store).await);
        assert_eq!(failure.kind(), ErrorKind::Corrupt, "{what}: {failure}");
    }

    let named = |config: &str, tag: &str, layer: &str| {
        let mut members = saved(vec![]);
        let text = format!(r#"[{{"Config":"{config}","RepoTags":["{tag}"],"Layers":[{layer}]}}]"#);
        members[1].1 = M::text(text);
        members
    };
    for (what, members) in [
        ("a config", named("config.json\\u0000", "a:1", "")),
        ("a config with more", named("config.json\\u0000.x", "a:1", "")),
        ("a layer", named("config.json", "a:1", r#""config.json\u0000""#)),
        ("a tag", named("config.json", "a:1\\u0000b", "")),
    ] {
        let bytes = archive(members.clone());
        let stream = wharf_archive::read_stream(std::io::Cursor::new(bytes));
        let loaded = wharf_archive::load(stream, &wharf_store::Memory::new()).await;
        assert!(loaded.is_err(), "{what}");
        // In place, a tag is told as it is written, and no name that can be asked for finds it.
        if what != "a tag" {
            assert!(opened(members).await.is_err(), "{what}");
        }
    }
}

/// A link is followed once, to a file of the archive; the host's files are never read.
#[tokio::test]
async fn links_lead_nowhere_but_to_a_file_of_the_archive() {
    let layer = noise(1, 100);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        wharf_testkit::sha256(&layer)
    );
    let with = |links: Vec<(&'static str, M)>| {
        let mut members = vec![
            ("c.json", M::text(config.clone())),
            (
                "manifest.json",
                M::text(r#"[{"Config":"c.json","Layers":["d/layer.tar"]}]"#),
            ),
            ("real.tar", M::File(layer.clone())),
        ];
        members.extend(links);
        members
    };
    let good = opened(with(vec![("d/layer.tar", M::Link("../real.tar"))]))
        .await
        .unwrap();
    assert_eq!(good.images().len(), 1);
    for (links, kind) in [
        (vec![("d/layer.tar", M::Link("/etc/passwd"))], ErrorKind::Invalid),
        (
            vec![("d/layer.tar", M::Link("../../../../etc/passwd"))],
            ErrorKind::Invalid,
        ),
        (vec![("d/layer.tar", M::Link("layer.tar"))], ErrorKind::Invalid),
        (
            vec![
                ("d/layer.tar", M::Link("other")),
                ("d/other", M::Link("layer.tar")),
            ],
            ErrorKind::Invalid,
        ),
        (
            vec![
                ("d/layer.tar", M::Link("other")),
                ("d/other", M::Link("../real.tar")),
            ],
            ErrorKind::Invalid,
        ),
        (vec![("d/layer.tar", M::Link("absent"))], ErrorKind::Invalid),
        (vec![("d/layer.tar", M::Link(""))], ErrorKind::Invalid),
        (vec![("d/layer.tar", M::Directory)], ErrorKind::Invalid),
        (vec![], ErrorKind::NotFound),
    ] {
        let failure = refused(opened(with(links)).await);
        assert_eq!(failure.kind(), kind, "{failure}");
        assert!(failure.to_string().contains("layer.tar"), "{failure}");
    }
    // A link that nothing asks for harms nobody.
    assert!(
        opened(saved(vec![("x", M::Link("/etc/passwd")), ("y", M::Link("y"))]))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_archive_that_ends_early_is_corrupt() {
    let scratch = Scratch::new();
    let path = scratch.path("whole.tar");
    let image = Image::builder().noise(1, 100_000).finish();
    let writer = Writer::create(&path).await.unwrap();
    push(&image, &writer).await;
    let size = writer.finish().await.unwrap().size;
    let whole = fs::read(&path).unwrap();
    let cut = scratch.path("cut.tar");
    let lengths = [
        1,
        511,
        600,
        1023,
        5000,
        50_000,
        size / 2,
        size - 1030,
        size - 2048 - 5,
    ];
    for length in lengths {
        fs::write(&cut, &whole[..usize::try_from(length).unwrap()]).unwrap();
        let failure = refused(open(&cut).await);
        assert_eq!(failure.kind(), ErrorKind::Corrupt, "{length}: {failure}");
        assert!(failure.to_string().contains("cut.tar"), "{failure}");
    }
    // Common writers leave out the end, which common readers accept.
    fs::write(&cut, &whole[..whole.len() - 1024]).unwrap();
    assert_eq!(open(&cut).await.unwrap().images().len(), 1);
    fs::write(&cut, "").unwrap();
    assert_eq!(refused(open(&cut).await).kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_member_beyond_the_end_is_found_before_it_is_read() {
    let scratch = Scratch::new();
    let path = scratch.path("huge.tar");
    for size in [10_000, 1 << 40, u64::MAX >> 2] {
        let mut bytes = archive(saved(vec![]));
        bytes.truncate(bytes.len() - 1024);
        bytes.extend(header("huge", b'0', "", size));
        bytes.extend([0; 512]);
        fs::write(&path, bytes).unwrap();
        let failure = refused(open(&path).await);
        assert_eq!(failure.kind(), ErrorKind::Corrupt, "{size}: {failure}");
        assert!(failure.to_string().contains("huge"), "{failure}");
    }
}

#[tokio::test]
async fn a_second_archive_behind_the_first_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.path("two.tar");
    let one = archive(saved(vec![]));
    let other = archive([("manifest.json", M::text("[]"))]);
    for gap in [0, 512, 9 * 1024] {
        fs::write(&path, [one.clone(), vec![0; gap], other.clone()].concat()).unwrap();
        let failure = refused(open(&path).await);
        assert_eq!(failure.kind(), ErrorKind::Ambiguous, "{failure}");
    }
    fs::write(&path, [one, vec![0; 20 * 1024]].concat()).unwrap();
    assert!(open(&path).await.is_ok());
}

/// A file of a terabyte, most of it not there.
#[tokio::test]
async fn a_sparse_terabyte_is_indexed_without_being_read() {
    let scratch = Scratch::new();
    let path = scratch.path("sparse.tar");
    let mut bytes = archive(saved(vec![]));
    bytes.truncate(bytes.len() - 1024);
    let mut file = File::create(&path).unwrap();
    bytes.extend(header("hole", b'0', "", 1 << 40));
    file.write_all(&bytes).unwrap();
    file.seek(SeekFrom::Current(1 << 40)).unwrap();
    file.write_all(&member("last", &M::text("x"))).unwrap();
    file.write_all(&[0; 1024]).unwrap();
    drop(file);
    assert_eq!(open(&path).await.unwrap().images().len(), 1);
    // Zeros that go on for a terabyte after the end.
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(2 << 40).unwrap();
    assert_eq!(open(&path).await.unwrap().images().len(), 1);
}

#[tokio::test]
async fn members_are_counted() {
    let scratch = Scratch::new();
    let path = scratch.path("many.tar");
    let mut file = std::io::BufWriter::new(File::create(&path).unwrap());
    for number in 0..1_000_000_u32 {
        file.write_all(&header(&format!("m{number}"), b'0', "", 0))
            .unwrap();
        if number == 100_001 {
            file.flush().unwrap();
            let failure = refused(open(&path).await);
            assert_eq!(failure.kind(), ErrorKind::TooLarge, "{failure}");
            break;
        }
    }
}

#[tokio::test]
async fn documents_are_bounded_and_have_one_meaning() {
    let long: &'static str = " ".repeat((1 << 20) + 1).leak();
    for (text, kind) in [
        ("null", None),
        ("[]", None),
        ("[null]", Some(ErrorKind::Invalid)),
        ("{}", Some(ErrorKind::Invalid)),
        ("", Some(ErrorKind::Invalid)),
        (
            r#"[{"Config":"config.json","config":"other"}]"#,
            Some(ErrorKind::Ambiguous),
        ),
        (r#"[{"Config":"absent.json"}]"#, Some(ErrorKind::NotFound)),
        (r#"[{"Config":"../config.json"}]"#, Some(ErrorKind::Invalid)),
        (
            r#"[{"Config":"config.json","Layers":["config.json"]}]"#,
            Some(ErrorKind::Invalid),
        ),
        (r#"[{"Config":"manifest.json"}]"#, Some(ErrorKind::Invalid)),
        (long, Some(ErrorKind::TooLarge)),
    ] {
        let mut members = saved(vec![]);
        members[1].1 = M::text(text);
        match kind {
            None => assert!(opened(members).await.unwrap().images().is_empty(), "{text}"),
            Some(kind) => {
                let failure = refused(opened(members).await);
                assert_eq!(failure.kind(), kind, "{text:.50}: {failure}");
                assert!(failure.to_string().contains("hostile.tar"), "{failure}");
            }
        }
    }
    let mut members = saved(vec![]);
    members[0].1 = M::File(vec![b' '; (4 << 20) + 1]);
    assert_eq!(refused(opened(members).await).kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_layout_is_read_by_the_rules_of_layouts() {
    let entry = |media_type: &str, name: &str| {
        format!(
            r#"{{"mediaType":"{media_type}","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
        )
    };
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let index = |entries: &[String]| format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    let layout = r#"{"imageLayoutVersion":"1.0.0"}"#;
    for (layout, index, expected) in [
        (layout, index(&[]), Ok(0)),
        (layout, index(&[entry(manifest, "a")]), Ok(1)),
        (
            layout,
            index(&[entry(manifest, "a"), entry("application/x-other", "b")]),
            Ok(1),
        ),
        (
            layout,
            index(&[entry(manifest, "a"), entry(manifest, "b")]),
            Ok(2),
        ),
        (r#"{"imageLayoutVersion":"1.1.0"}"#, index(&[]), Ok(0)),
        (
            r#"{"imageLayoutVersion":"2.0.0"}"#,
            index(&[]),
            Err(ErrorKind::Unsupported),
        ),
        ("{}", index(&[]), Err(ErrorKind::Invalid)),
        ("", index(&[]), Err(ErrorKind::Invalid)),
        (layout, String::new(), Err(ErrorKind::Invalid)),
        (
            layout,
            r#"{"manifests":[],"manifests":[]}"#.to_owned(),
            Err(ErrorKind::Ambiguous),
        ),
        (
            layout,
            r#"{"schemaVersion":2,"manifests":[{"size":-1}]}"#.to_owned(),
            Err(ErrorKind::Invalid),
        ),
    ] {
        let members = vec![
            ("oci-layout", M::text(layout)),
            ("index.json", M::text(index.clone())),
        ];
        let opened = opened(members).await;
        let found = opened
            .map(|archive| archive.images().len())
            .map_err(|error| error.kind());
        assert_eq!(found, expected, "{layout} {index}");
    }
    let alone = opened(vec![("index.json", M::text(index(&[])))]).await;
    assert_eq!(refused(alone).kind(), ErrorKind::NotFound);
}

/// The digest of a blob is its name, and its bytes are compared with it.
#[tokio::test]
async fn changed_bytes_are_a_mismatch() {
    let scratch = Scratch::new();
    let path = scratch.path("image.tar");
    let image = Image::builder().noise(1, 1000).finish();
    let writer = Writer::create(&path).await.unwrap();
    push(&image, &writer).await;
    writer
        .tag(
            &Name::parse("docker.io/library/a:1").unwrap(),
            image.manifest().digest(),
        )
        .unwrap();
    writer.finish().await.unwrap();
    let whole = fs::read(&path).unwrap();
    let find = |wanted: &[u8]| {
        whole
            .windows(wanted.len())
            .position(|window| window == wanted)
            .unwrap()
    };
    let flip = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    let layer = &image.manifest().layers()[0];
    flip(find(&image.blobs()[1].1) + 100);
    for form in [Form::Oci, Form::Docker] {
        let archive = Archive::open(&path, form).await.unwrap();
        let read = archive.blob(layer).await.unwrap().read_to_end(u64::MAX).await;
        assert_eq!(refused(read).kind(), ErrorKind::Mismatch, "{form:?}");
    }
    let flipped = find(image.manifest().bytes()) + image.manifest().bytes().len() - 20;
    flip(flipped);
    let archive = Archive::open(&path, Form::Oci).await.unwrap();
    let read = archive.manifest(&image.manifest().digest().into()).await;
    assert_eq!(refused(read).kind(), ErrorKind::Mismatch);
}

#[tokio::test]
async fn what_cannot_be_sought_is_refused_by_name() {
    let scratch = Scratch::new();
    let whole = archive(saved(vec![]));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&whole).unwrap();
    for (name, bytes, part) in [
        ("gzip", gzip.finish().unwrap(), "gzip"),
        ("zstd", [b"\x28\xb5\x2f\xfd".as_slice(), &whole].concat(), "zstd"),
        ("bzip2", [b"BZh91AY&SY".as_slice(), &whole].concat(), "bzip2"),
        ("xz", [b"\xfd7zXZ\0".as_slice(), &whole].concat(), "xz"),
    ] {
        let path = scratch.path(name);
        fs::write(&path, bytes).unwrap();
        let failure = refused(open(&path).await);
        assert_eq!(failure.kind(), ErrorKind::Unsupported, "{failure}");
        assert!(failure.to_string().contains(part), "{failure}");
    }
    let failure = refused(open(&scratch.path(".")).await);
    assert_eq!(failure.kind(), ErrorKind::Unsupported, "{failure}");
    assert_eq!(
        refused(open(&scratch.path("absent")).await).kind(),
        ErrorKind::NotFound
    );
    #[cfg(unix)]
    {
        let pipe = scratch.path("pipe");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(refused(open(&pipe).await).kind(), ErrorKind::Unsupported);
    }
    fs::write(scratch.path("text"), "This is no archive.".repeat(100)).unwrap();
    assert_eq!(
        refused(open(&scratch.path("text")).await).kind(),
        ErrorKind::Corrupt
    );
    fs::write(scratch.path("other.tar"), archive([("a", M::text("b"))])).unwrap();
    assert_eq!(
        refused(open(&scratch.path("other.tar")).await).kind(),
        ErrorKind::Invalid
    );
}

/// What is written to a full disk is an error that says so, and the old file stays.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_no_space() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let failure = refused(Writer::create("/dev/full").await);
    assert_eq!(failure.kind(), ErrorKind::NoSpace, "{failure}");
}

/// The reader sees what Python's sees in what the writer has written.
#[tokio::test]
async fn python_sees_the_same_members() {
    wharf_testkit::require_peers!("python3");
    let scratch = Scratch::new();
    let path = scratch.path("image.tar");
    let image = Image::builder()
        .algorithm(wharf_reference::Algorithm::Sha512)
        .noise(1, 1000)
        .finish();
    let writer = Writer::create(&path).await.unwrap();
    push(&image, &writer).await;
    writer.finish().await.unwrap();
    let script = "import tarfile,sys\nfor m in tarfile.open(sys.argv[1]): print(m.name, m.size, oct(m.mode), m.mtime, m.uid, m.gid, m.uname)";
    let output = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    for (descriptor, _) in image.blobs() {
        let line = format!(
            "blobs/sha512/{} {} 0o444 0 0 0 \n",
            descriptor.digest().encoded(),
            descriptor.size()
        );
        assert!(listed.contains(&line), "{line} in {listed}");
    }
    let mut start = [0; 10];
    File::open(&path).unwrap().read_exact(&mut start).unwrap();
    assert_eq!(&start, b"oci-layout");
}
