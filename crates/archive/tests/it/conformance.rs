//! The suite for sources and sinks.

use wharf_archive::Dir;
use wharf_content::conformance::Conformance;

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
