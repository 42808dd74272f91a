//! Recipes beside what Skopeo 1.9.3 made of the same images.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use wharf_archive::Dir;
use wharf_content::{Descriptor, ErrorKind, Manifest, Source as _, SourceExt as _, Target};
use wharf_copy::{Options as CopyOptions, Selection, copy};
use wharf_image::{Format, Layers, Options, Prepared, Recipe, prepare};
use wharf_store::{Layout, Memory};
use wharf_testkit::saved_image;

/// Prepares one of the sources there.
async fn prepared(source: &str, recipe: &Recipe, scratch: &Path) -> Result<Prepared, wharf_content::Error> {
    let directory = scratch.join(format!("{source}-source"));
    fs::create_dir_all(&directory).unwrap();
    let path = saved_image(&format!("{source}-to-dir-preserve")).unpack(&directory);
    let dir = Dir::open(path).await.unwrap();
    let target = Target::from(dir.root().digest());
    prepare(
        Arc::new(dir),
        Arc::new(Memory::new()),
        &target,
        recipe,
        &Options::default(),
    )
    .await
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let file = |entry: fs::DirEntry| {
        (
            entry.file_name().into_string().unwrap(),
            fs::read(entry.path()).unwrap(),
        )
    };
    entries.map(file).collect()
}

/// Where no layer is compressed anew, whole directories are equal.
#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_gives_the_directory_that_skopeo_gives() {
    let recipe = || Recipe::new().as_skopeo(true);
    for (source, name, recipe) in [
        ("oci", "", recipe()),
        ("oci", "-oci", recipe().format(Format::Oci)),
        ("oci", "-v2s2", recipe().format(Format::Docker)),
        ("docker", "", recipe()),
        ("docker", "-oci", recipe().format(Format::Oci)),
        ("docker", "-v2s2", recipe().format(Format::Docker)),
        ("list", "", recipe()),
        ("list", "-oci", recipe().format(Format::Oci)),
        ("list", "-v2s2", recipe().format(Format::Docker)),
        ("artifact", "", recipe()),
        ("artifact", "-oci", recipe().format(Format::Oci)),
        // Configs keep their bytes on the way to Docker's format, there as here by default.
        ("oci", "-v2s2", Recipe::new().format(Format::Docker)),
        ("list", "-v2s2", Recipe::new().format(Format::Docker)),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let golden = saved_image(&format!("{source}-to-dir{name}"));
        let theirs = golden.unpack(scratch.path());
        let prepared = prepared(source, &recipe, scratch.path()).await.unwrap();
        assert_eq!(
            Some(prepared.root().digest()),
            golden.content.unwrap().root.as_ref(),
            "{source}{name}"
        );
        let ours = scratch.path().join("ours");
        let dir = Arc::new(Dir::create(&ours).await.unwrap());
        let target = prepared.target();
        let options = CopyOptions::from(Selection::All).without_name();
        copy(Arc::new(prepared), Arc::clone(&dir) as _, &target, options)
            .await
            .unwrap();
        dir.finish().await.unwrap();
        assert_eq!(files(&ours), files(&theirs), "{source}{name}");
    }
}

/// Into a layout Skopeo compresses the layers that are not: with bytes of its own, so types and tars are compared.
#[tokio::test]
async fn a_conversion_that_compresses_gives_the_config_and_the_types_that_skopeo_gives() {
    for (source, name, format) in [
        ("oci", "", Format::Oci),
        ("oci", "-oci", Format::Oci),
        ("oci", "-v2s2", Format::Docker),
        ("docker", "", Format::Oci),
        ("docker", "-oci", Format::Oci),
        ("docker", "-v2s2", Format::Docker),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let golden = saved_image(&format!("{source}-to-oci{name}"));
        let theirs = Layout::open(golden.unpack(scratch.path())).await.unwrap();
        let root = golden.content.unwrap().root.unwrap();
        let theirs: Manifest = theirs.manifest(&root.into()).await.unwrap();
        let recipe = Recipe::new()
            .format(format)
            .layers(Layers::Compressed)
            .as_skopeo(true);
        let ours = prepared(source, &recipe, scratch.path()).await.unwrap();
        let of = |blob: &Descriptor| (blob.media_type().clone(), blob.digest().clone());
        assert_eq!(ours.root().media_type(), theirs.media_type(), "{source}{name}");
        assert_eq!(
            ours.root().config().map(of),
            theirs.config().map(of),
            "{source}{name}"
        );
        assert_eq!(
            of(&ours.root().layers()[0]),
            of(&theirs.layers()[0]),
            "{source}{name}: it was compressed"
        );
        assert_eq!(
            ours.root().layers()[1].media_type(),
            theirs.layers()[1].media_type(),
            "{source}{name}"
        );
        let changes = ours.report().layers();
        let diff_ids = ours.config(ours.root()).await.unwrap().diff_ids().unwrap();
        assert_eq!(
            (changes.len(), &changes[0].diff_id),
            (1, &diff_ids[1]),
            "{source}{name}"
        );
    }
}

#[tokio::test]
async fn what_skopeo_refuses_to_convert_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    assert!(saved_image("artifact-to-dir-v2s2").content.is_none());
    let recipe = Recipe::new().format(Format::Docker);
    let failure = prepared("artifact", &recipe, scratch.path()).await.unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::Unsupported, "{failure}");
}
