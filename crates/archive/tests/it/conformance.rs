//! The suite for sources and sinks.

use wharf_archive::{Archive, ArchivedImage, Dir, Form, Writer};
use wharf_content::{Name, Source, conformance::Conformance};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_directory_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let writer = Dir::create(&path).await.unwrap();
    let checks = Conformance::new().without_names().check(&writer).await;
    let checks = checks.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(checks > 500, "only {checks} checks");
    writer.finish().await.unwrap();
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let temporary = std::fs::read_dir(&path).unwrap();
    let temporary = temporary.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("tmp-")
    });
    assert_eq!(temporary.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_file_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("images.tar");
    let writer = Writer::create(&path).await.unwrap();
    let checks = Conformance::new().check(&writer).await;
    let checks = checks.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(checks > 600, "only {checks} checks");
    writer.finish().await.unwrap();

    // What was read while it was written is there at the end.
    let archive = Archive::open(&path, Form::Detect).await.unwrap();
    let names: Vec<&str> = archive.images().iter().flat_map(ArchivedImage::names).collect();
    for number in 1..=3 {
        let name = format!("conformance-{number}");
        assert!(names.contains(&&*name), "{names:?}");
        let name = Name::parse(&name).unwrap();
        let read = Source::manifest(&writer, &name.clone().into()).await.unwrap();
        assert_eq!(archive.manifest(&name.into()).await.unwrap(), read);
    }
}
