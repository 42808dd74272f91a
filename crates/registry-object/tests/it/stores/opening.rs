//! A store is checked when it is opened, and leaves nothing.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use wharf_content::ErrorKind;
use wharf_registry_object::{Store, StoreOptions, StoreUrl};

use super::kinds;

#[tokio::test]
async fn a_store_that_is_opened_twice_is_as_it_was() {
    for kind in kinds() {
        let fresh = kind.fresh();
        let store = fresh.open().await;
        store
            .objects()
            .put_opts(&Path::from("v1/data/x"), "x".into(), PutOptions::default())
            .await
            .unwrap();
        let again = fresh.open().await;
        again.check().await.unwrap();
        let left = again
            .objects()
            .list(None)
            .map_ok(|object| object.location.to_string());
        assert_eq!(
            left.try_collect::<Vec<_>>().await.unwrap(),
            ["v1/data/x"],
            "{kind:?}"
        );
        assert_eq!(again.to_string(), fresh.url.to_string());
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "x").unwrap();
    let url = format!("file://{}/file/registry", directory.path().display());
    let url = StoreUrl::parse(&url).unwrap();
    let error = Store::open(&url, &StoreOptions::default())
        .await
        .expect_err("a file is in the way");
    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    assert!(
        error
            .to_string()
            .starts_with(&format!("the store {url} cannot be opened"))
            || error.to_string().contains(&url.to_string()),
        "{error}"
    );
}

/// A falsehood that a store may tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    None,
    HasEverything,
    Forgets,
    Corrupts,
    IgnoresRanges,
    ListsNothing,
    ListsSizes,
    KeepsDeleted,
}

#[derive(Debug)]
struct Liar(Arc<InMemory>, Lie);

impl fmt::Display for Liar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Liar")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Liar {
    async fn put_opts(&self, at: &Path, mut payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.1 == Lie::Corrupts {
            let mut bytes = Bytes::from(payload).to_vec();
            bytes[500] ^= 1;
            payload = bytes.into();
        }
        if self.1 == Lie::Forgets {
            return self.0.put_opts(&Path::from("elsewhere"), payload, options).await;
        }
        self.0.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, mut options: GetOptions) -> Result<GetResult> {
        if self.1 == Lie::HasEverything && options.head {
            let present = Path::from("present");
            self.0
                .put_opts(&present, "x".into(), PutOptions::default())
                .await?;
            return self.0.get_opts(&present, options).await;
        }
        if self.1 == Lie::IgnoresRanges {
            options.range = None;
        }
        self.0.get_opts(at, options).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(at, ranges).await
    }

    fn delete_stream(&self, at: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.1 == Lie::KeepsDeleted {
            return at;
        }
        self.0.delete_stream(at)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.1 {
            Lie::ListsNothing => futures_util::stream::empty().boxed(),
            Lie::ListsSizes => self
                .0
                .list(prefix)
                .map_ok(|meta| ObjectMeta { size: 7, ..meta })
                .boxed(),
            _ => self.0.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_store_that_answers_falsely_is_refused_with_the_reason() {
    for (lie, reason) in [
        (Lie::None, None),
        (Lie::HasEverything, Some("has an object before it was written")),
        (Lie::Forgets, Some("cannot be read at once")),
        (Lie::Corrupts, Some("other bytes than were written")),
        (Lie::IgnoresRanges, Some("range")),
        (Lie::ListsNothing, Some("not listed at once")),
        (Lie::ListsSizes, Some("another size")),
        (Lie::KeepsDeleted, Some("has an object after it was deleted")),
    ] {
        let memory = Arc::new(InMemory::new());
        let store = Store::new("memory", Liar(Arc::clone(&memory), lie));
        let checked = store.check().await;
        match reason {
            None => checked.unwrap(),
            Some(reason) => {
                let error = checked.expect_err(reason);
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{lie:?}: {error}");
                assert!(error.to_string().contains(reason), "{lie:?}: {error}");
                assert!(
                    error.to_string().starts_with("the store memory cannot hold"),
                    "{error}"
                );
            }
        }
        if lie != Lie::KeepsDeleted {
            let left = memory.list(Some(&Path::from("v1"))).count().await;
            assert_eq!(left, 0, "{lie:?}: the check leaves nothing");
        }
    }
}

/// An upload in parts that shows what is not complete.
#[tokio::test]
async fn a_store_that_completes_uploads_by_itself_is_refused() {
    let memory = Arc::new(InMemory::new());
    let eager = Eager(Arc::clone(&memory));
    let store = Store::new("memory", Liar(memory, Lie::None)).with_multipart(eager);
    let error = store.check().await.expect_err("the upload is not complete");
    assert!(
        error.to_string().contains("before its upload was completed"),
        "{error}"
    );
}

#[derive(Debug)]
struct Eager(Arc<InMemory>);

#[async_trait::async_trait]
impl object_store::multipart::MultipartStore for Eager {
    async fn create_multipart(&self, path: &Path) -> Result<String> {
        self.0.create_multipart(path).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &String,
        index: usize,
        data: PutPayload,
    ) -> Result<object_store::multipart::PartId> {
        self.0.put_opts(path, data.clone(), PutOptions::default()).await?;
        self.0.put_part(path, id, index, data).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &String,
        parts: Vec<object_store::multipart::PartId>,
    ) -> Result<PutResult> {
        self.0.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, path: &Path, id: &String) -> Result<()> {
        self.0.abort_multipart(path, id).await
    }
}
