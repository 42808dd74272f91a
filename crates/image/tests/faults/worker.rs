//! The process that is maltreated: applies layers, unpacks images, commits changes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use wharf_content::{Error, History, Name, Source, Target};
use wharf_copy::{Options as CopyOptions, Selection, copy};
use wharf_image::{NewLayer, Options, Recipe, UnpackOptions, prepare, unpack};
use wharf_layer::{Root, Snapshot, StagedRoot, apply};
use wharf_store::Layout;
use wharf_testkit::faults;

use crate::{
    images::{Top, apply_options, diff_options, image, layers},
    manifest::manifest,
};

/// Below the stage: the root, a tree that it was once, and a layout.
pub(crate) const ROOT: &str = "root";
pub(crate) const BEFORE: &str = "before";
pub(crate) const LAYOUT: &str = "layout";
/// The lines of the changed tree.
pub(crate) const CHANGED: &str = "changed";
/// The name of the committed image in the layout, and that of its base.
pub(crate) const COMMITTED: &str = "committed";
const BASE: &str = "base";

/// Runs `STAGE STEP...`; what each step is called stands in [`step`].
pub(crate) fn run(arguments: &[String]) -> i32 {
    let (stage, steps) = arguments.split_first().expect("a directory");
    faults::work(steps, &async |text: &str| step(Path::new(stage), text).await)
}

/// Does one step in a directory.
pub(crate) async fn step(stage: &Path, text: &str) -> Result<(), Error> {
    let root = stage.join(ROOT);
    match text {
        "lower" => apply_to(&Root::create(&root)?, 0, Top::Open),
        "upper" => apply_to(&Root::open(&root)?, 1, Top::Open),
        "lower by component" => apply_to(&Root::create(&root)?.without_openat2(), 0, Top::Open),
        "upper by component" => apply_to(&Root::open(&root)?.without_openat2(), 1, Top::Open),
        "stage" => stage_layers(&root, Top::Open),
        "stage closed" => stage_layers(&root, Top::Closed),
        "unpack" => unpack_image(&root, Top::Open).await,
        "unpack closed" => unpack_image(&root, Top::Closed).await,
        "change" => change(stage).await,
        "commit" => on_threads(commit(stage.to_owned())),
        other => panic!("no step {other}"),
    }
}

/// Unpacks what a commit has made of the image.
pub(crate) async fn unpack_committed(stage: PathBuf, to: PathBuf) -> Result<(), Error> {
    let layout = Arc::new(Layout::open(stage.join(LAYOUT)).await?);
    let target = Target::from(name(COMMITTED));
    unpack(layout, &target, to, &unpack_options()).await.map(drop)
}

fn apply_to(root: &Root, layer: usize, top: Top) -> Result<(), Error> {
    let layer = &layers(top)[layer];
    apply(root, layer.as_slice(), &apply_options()).map(drop)
}

fn stage_layers(path: &Path, top: Top) -> Result<(), Error> {
    let staged = StagedRoot::create(path)?;
    for layer in layers(top) {
        apply(staged.root(), layer.as_slice(), &apply_options())?;
    }
    staged.finish()
}

fn unpack_options() -> UnpackOptions {
    UnpackOptions::default().with_apply(apply_options())
}

async fn unpack_image(path: &Path, top: Top) -> Result<(), Error> {
    let image = image(top);
    let target = image.digest().into();
    unpack(Arc::new(image), &target, path, &unpack_options())
        .await
        .map(drop)
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// A layout with a base, the tree of the base, and the same tree changed.
async fn change(stage: &Path) -> Result<(), Error> {
    let base = image(Top::Open);
    let target = base.digest().into();
    let layout = Layout::create(stage.join(LAYOUT)).await?;
    let options = CopyOptions::from(Selection::All).with_name(name(BASE));
    copy(Arc::new(base), Arc::new(layout), &target, options).await?;
    unpack_image(&stage.join(BEFORE), Top::Open).await?;
    let root = stage.join(ROOT);
    unpack_image(&root, Top::Open).await?;
    fs::remove_file(root.join("large")).unwrap();
    fs::remove_dir_all(root.join("missing")).unwrap();
    fs::write(root.join("missing"), "a file now").unwrap();
    fs::write(root.join("d/file"), "third").unwrap();
    fs::hard_link(root.join("d/file"), root.join("d/other")).unwrap();
    fs::create_dir(root.join("new")).unwrap();
    fs::write(root.join("new/file"), "4".repeat(100_000)).unwrap();
    std::os::unix::fs::symlink("nowhere", root.join("new/link")).unwrap();
    // A layer has whole seconds.
    for name in ["d/file", "d", "missing", "new/file", "new/link", "new", ""] {
        let time = Timespec {
            tv_sec: 100,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        utimensat(CWD, root.join(name), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    fs::write(stage.join(CHANGED), manifest(&root).join("\n")).unwrap();
    Ok(())
}

/// Runs a future on threads of its own: a layer is read from a layout or a tree while it is written.
pub(crate) fn on_threads<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(3)
            .enable_time()
            .build();
        runtime.expect("a runtime").block_on(future)
    };
    std::thread::spawn(run).join().expect("no thread panics")
}

/// Adds the changes as a layer to the base.
async fn commit(stage: PathBuf) -> Result<(), Error> {
    let layout = Arc::new(Layout::open(stage.join(LAYOUT)).await?);
    let before = Snapshot::of(&Root::open(stage.join(BEFORE))?)?;
    let layer = NewLayer::from_changes(before, stage.join(ROOT), diff_options());
    let recipe = Recipe::new().append(layer, History::default().with_created_by("commit"));
    let base = Target::from(name(BASE));
    let source: Arc<dyn Source> = layout.clone();
    let prepared = prepare(source, layout.clone(), &base, &recipe, &Options::default()).await?;
    let target = prepared.target();
    let options = CopyOptions::from(Selection::All).with_name(name(COMMITTED));
    copy(Arc::new(prepared), layout, &target, options).await.map(drop)
}
