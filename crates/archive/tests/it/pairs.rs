//! Every place that we, Skopeo, Podman or umoci write, read by each of them.
//!
//! | written by | read by |
//! |---|---|
//! | this crate and the store: directory, layout, both archives, Docker's old form | this crate and the store, Skopeo, Podman; layouts by umoci, too |
//! | Skopeo: `dir:`, `oci:`, `oci-archive:`, `docker-archive:` | this crate and the store, and from there each of the others |
//! | Podman: its four formats | the same |
//! | umoci: a layout | the same |
//!
//! Impossible is umoci with anything but a layout. Indexes and artifacts have tables of their own.

mod artifacts;
mod lists;

use std::{path::Path, sync::Arc};

use wharf_archive::{Archive, Dir, Form, Writer, WriterForm, WriterOptions};
use wharf_content::{Name, Sink, Source, SourceExt as _, Target};
use wharf_copy::{Options, Selection, copy};
use wharf_reference::Digest;
use wharf_store::Layout;
use wharf_testkit::{Image, Output, Sandbox, require_peers};

/// The name where a full one has a place, and in layouts that others read.
const FULL: &str = "docker.io/library/p:1";

/// The kinds of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dir,
    Layout,
    /// An OCI layout in an archive.
    Oci,
    Docker,
}

/// The forms in which we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    Dir,
    Layout,
    Hybrid,
    Oci,
    Legacy,
}

const OURS: [Ours; 5] = [Ours::Dir, Ours::Layout, Ours::Hybrid, Ours::Oci, Ours::Legacy];

impl Ours {
    /// The kinds of places that it can be read as.
    const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Dir => &[Kind::Dir],
            Self::Layout => &[Kind::Layout],
            Self::Hybrid => &[Kind::Oci, Kind::Docker],
            Self::Oci => &[Kind::Oci],
            Self::Legacy => &[Kind::Docker],
        }
    }
}

impl Kind {
    /// The location, as Skopeo writes it.
    fn location(self, path: &Path) -> String {
        let transport = match self {
            Self::Dir => "dir",
            Self::Layout => "oci",
            Self::Oci => "oci-archive",
            Self::Docker => "docker-archive",
        };
        format!("{transport}:{}", path.display())
    }

    /// Opens the only image.
    async fn open(self, path: &Path) -> (Arc<dyn Source>, Target) {
        let form = match self {
            Self::Dir => {
                let dir = Dir::open(path).await.unwrap_or_else(|error| panic!("{error}"));
                let target = dir.root().digest().into();
                return (Arc::new(dir), target);
            }
            Self::Layout => {
                let layout = Layout::open(path).await.unwrap_or_else(|error| panic!("{error}"));
                let images = layout.images().await.unwrap();
                let target = images[0].descriptor().digest().into();
                return (Arc::new(layout), target);
            }
            Self::Oci => Form::Oci,
            Self::Docker => Form::Docker,
        };
        let archive = Archive::open(path, form)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let target = archive.only().unwrap_or_else(|error| panic!("{error}")).target();
        (Arc::new(archive), target)
    }
}

/// An image by the digests of its manifest, its config and the tars of its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    root: Digest,
    config: Digest,
    diff_ids: Vec<Digest>,
}

async fn seen(source: &dyn Source, target: &Target) -> Seen {
    let manifest = source
        .manifest(target)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    Seen {
        root: manifest.digest().clone(),
        config: manifest.config().unwrap().digest().clone(),
        diff_ids: source.config(&manifest).await.unwrap().diff_ids().unwrap(),
    }
}

/// Copies an image to a place of this form.
async fn write(source: Arc<dyn Source>, target: &Target, form: Ours, path: &Path) {
    let named = || Options::from(Selection::All).with_name(Name::parse(FULL).unwrap());
    let archive = match form {
        Ours::Dir => {
            let dir = Arc::new(Dir::create(path).await.unwrap());
            let sink = Arc::clone(&dir) as Arc<dyn Sink>;
            let options = Options::from(Selection::All).without_name();
            copy(source, sink, target, options).await.unwrap();
            dir.finish().await.unwrap();
            return;
        }
        Ours::Layout => {
            let layout = Layout::create(path).await.unwrap();
            copy(source, Arc::new(layout), target, named()).await.unwrap();
            return;
        }
        Ours::Hybrid => WriterForm::Hybrid,
        Ours::Oci => WriterForm::Oci,
        Ours::Legacy => WriterForm::DockerLegacy,
    };
    let options = WriterOptions::default().with_form(archive);
    let writer = Arc::new(Writer::create_with(path, options).await.unwrap());
    let sink = Arc::clone(&writer) as Arc<dyn Sink>;
    copy(source, sink, target, named())
        .await
        .unwrap_or_else(|error| panic!("{form:?}: {error}"));
    writer.finish().await.unwrap();
}

/// Writes an image in each form of ours and reads each: the manifest is the same unless one of both places has none.
async fn through_all_of_ours(sandbox: &Sandbox, from: &str, kind: Kind, path: &Path) -> Seen {
    let (source, target) = kind.open(path).await;
    let original = seen(&*source, &target).await;
    for form in OURS {
        let to = sandbox.path(format!("{from}-{form:?}").to_lowercase());
        write(Arc::clone(&source), &target, form, &to).await;
        for kind in form.kinds() {
            let (copied, target) = kind.open(&to).await;
            let copied = seen(&*copied, &target).await;
            let case = format!("{from} to {form:?}, read as {kind:?}");
            assert_eq!(
                (&copied.config, &copied.diff_ids),
                (&original.config, &original.diff_ids),
                "{case}"
            );
            if *kind != Kind::Docker {
                assert_eq!(copied.root, original.root, "{case}");
            }
        }
    }
    original
}

fn image() -> Image {
    Image::builder()
        .plain_files(&[("etc/", b""), ("etc/plain", b"1")])
        .files(&[("etc/gzip", b"2")])
        .finish()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Asserts that another program has refused something, for this reason.
fn refuses(output: &Output, reason: &str) {
    assert!(!output.success, "{output:?}");
    assert!(output.stderr.contains(reason), "{output:?}");
}

/// The image ID that Podman gives an image which it loads.
fn podman_id(sandbox: &Sandbox, path: &Path) -> String {
    let loaded = sandbox
        .podman()
        .run(&["load", "--quiet", "--input", text(path)])
        .ok();
    let name = loaded.lines().last().and_then(|line| line.split(": ").nth(1));
    let name = name.unwrap_or_else(|| panic!("{loaded}")).trim().to_owned();
    let id = sandbox
        .podman()
        .run(&["image", "inspect", "--format", "{{.Id}}", &name])
        .ok();
    sandbox.podman().run(&["rmi", "--force", &name]).ok();
    id.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_podman_and_umoci_read_each_of_our_forms() {
    require_peers!("skopeo", "podman", "umoci");
    let sandbox = Sandbox::new();
    image().write_layout(&sandbox.path("original"), "v1");
    let original = through_all_of_ours(&sandbox, "ours", Kind::Layout, &sandbox.path("original")).await;
    for form in OURS {
        let path = sandbox.path(format!("ours-{form:?}").to_lowercase());
        for kind in form.kinds() {
            let location = kind.location(&path);
            // Each place to each of Skopeo's, and back.
            for to in [Kind::Dir, Kind::Layout, Kind::Oci, Kind::Docker] {
                let case = format!("{form:?}-{kind:?}-{to:?}").to_lowercase();
                let copied = sandbox.path(&case);
                let name = if to == Kind::Dir { "" } else { ":p:1" };
                let destination = format!("{}{name}", to.location(&copied));
                sandbox.skopeo().run(&["copy", &location, &destination]).ok();
                let (copied, target) = to.open(&copied).await;
                let copied = seen(&*copied, &target).await;
                assert_eq!(copied.diff_ids, original.diff_ids, "{case}");
                // It writes configs anew on the way from Docker's types to OCI's.
                let is_rewritten = *kind == Kind::Docker && matches!(to, Kind::Layout | Kind::Oci);
                assert_eq!(copied.config == original.config, !is_rewritten, "{case}");
                // To a directory nothing is changed; elsewhere it compresses.
                if *kind != Kind::Docker && to == Kind::Dir {
                    assert_eq!(copied.root, original.root, "{case}");
                }
            }
        }
        assert_eq!(podman_id(&sandbox, &path), original.config.encoded(), "{form:?}");
    }
    let layout = format!("{}:{FULL}", text(&sandbox.path("ours-layout")));
    let bundle = sandbox.path("bundle");
    sandbox
        .umoci()
        .run(&["unpack", "--rootless", "--image", &layout, text(&bundle)])
        .ok();
    assert_eq!(std::fs::read(bundle.join("rootfs/etc/gzip")).unwrap(), b"2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_skopeo_podman_and_umoci_write_goes_through_each_of_our_forms() {
    require_peers!("skopeo", "podman", "umoci");
    let sandbox = Sandbox::new();
    let image = image();
    image.write_layout(&sandbox.path("original"), "v1");
    let from = format!("oci:{}:v1", text(&sandbox.path("original")));
    let ids: Vec<Digest> = {
        let (source, target) = Kind::Layout.open(&sandbox.path("original")).await;
        seen(&*source, &target).await.diff_ids
    };
    for (name, kind) in [
        ("dir", Kind::Dir),
        ("layout", Kind::Layout),
        ("oci", Kind::Oci),
        ("docker", Kind::Docker),
    ] {
        let path = sandbox.path(format!("skopeo-{name}"));
        let suffix = if kind == Kind::Dir { "" } else { ":p:1" };
        let to = format!("{}{suffix}", kind.location(&path));
        sandbox.skopeo().run(&["copy", &from, &to]).ok();
        let read = through_all_of_ours(&sandbox, &format!("skopeo-{name}-to"), kind, &path).await;
        assert_eq!(&read.config, image.blobs()[0].0.digest(), "{name}");
    }

    let archive = sandbox.path("skopeo-docker");
    sandbox
        .podman()
        .run(&["load", "--quiet", "--input", text(&archive)])
        .ok();
    for (format, kind) in [
        ("docker-dir", Kind::Dir),
        ("oci-dir", Kind::Layout),
        ("oci-archive", Kind::Oci),
        ("docker-archive", Kind::Docker),
    ] {
        let path = sandbox.path(format!("podman-{format}"));
        let arguments = [
            "save",
            "--quiet",
            "--format",
            format,
            "--output",
            text(&path),
            FULL,
        ];
        sandbox.podman().run(&arguments).ok();
        let read = through_all_of_ours(&sandbox, &format!("podman-{format}-to"), kind, &path).await;
        assert_eq!(read.diff_ids, ids, "{format}");
        let is_rewritten = matches!(kind, Kind::Layout | Kind::Oci);
        assert_eq!(
            &read.config == image.blobs()[0].0.digest(),
            !is_rewritten,
            "{format}"
        );
    }

    let layout = sandbox.path("umoci");
    sandbox.umoci().run(&["init", "--layout", text(&layout)]).ok();
    let named = format!("{}:v1", text(&layout));
    sandbox.umoci().run(&["new", "--image", &named]).ok();
    let file = sandbox.write("a-file", "content");
    sandbox
        .umoci()
        .run(&["insert", "--rootless", "--image", &named, text(&file), "/a-file"])
        .ok();
    sandbox
        .umoci()
        .run(&["config", "--image", &named, "--author", "somebody"])
        .ok();
    let read = through_all_of_ours(&sandbox, "umoci-to", Kind::Layout, &layout).await;
    assert_eq!(read.diff_ids.len(), 1);
    let ours = format!("umoci-to-{:?}", Ours::Hybrid).to_lowercase();
    assert_eq!(podman_id(&sandbox, &sandbox.path(ours)), read.config.encoded());
}
