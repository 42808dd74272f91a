use futures_util::{
    Stream, StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{ObjectMeta, path::Path};
use wharf_content::Error;

use super::{Objects, error};

const DOING: &str = "list objects";

impl Objects {
    /// Whether this is the name that an object may have.
    pub(crate) fn is_name(text: &str) -> bool {
        text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// The objects whose names begin with these two digits: path, name and size. What lies there and is none of the
    /// registry's has no name.
    pub(crate) fn list_shard(
        &self,
        shard: &str,
    ) -> impl Stream<Item = Result<(String, Option<String>, u64), Error>> + Send + Unpin + 'static {
        let below = self.below(["v1", "data", shard]);
        let shard = shard.to_owned();
        let listed = self.store.list(Some(&below)).map_ok(move |object| {
            let name = object.location.filename().unwrap_or_default().to_owned();
            let is_own = Self::is_name(&name)
                && name.starts_with(&shard)
                && object.location == below.clone().join(name.as_str());
            (object.location.to_string(), is_own.then_some(name), object.size)
        });
        listed.map_err(|failure| error::failed(DOING, &failure))
    }

    /// Objects below the prefix that are neither listed by [`Objects::list_shard`] nor the one that tells what the store is:
    /// path and size.
    pub(crate) fn list_foreign(self) -> BoxStream<'static, Result<(Path, u64), Error>> {
        // The directories that hold more than foreign objects, and what is not foreign in them: directories and files.
        let shards = (0..=255_u8).map(|shard| format!("{shard:02x}")).collect();
        let (data, v1) = (vec!["data".to_owned()], vec!["v1".to_owned()]);
        let own = [
            (self.prefix.clone(), v1, ""),
            (self.below(["v1"]), data, "format"),
            (self.below(["v1", "data"]), shards, ""),
        ];
        stream::iter(own)
            .then(move |(directory, own, file)| {
                let objects = self.clone();
                async move { objects.list_beside(directory, own, file).await }
            })
            .try_flatten()
            .boxed()
    }

    /// The objects below a directory but for those below some directories in it, and a file.
    async fn list_beside(
        self,
        directory: Path,
        own: Vec<String>,
        file: &str,
    ) -> Result<impl Stream<Item = Result<(Path, u64), Error>> + Send, Error> {
        let failed = |failure| error::failed(DOING, &failure);
        let here = Some(&directory).filter(|path| path.parts().next().is_some());
        let found = self.store.list_with_delimiter(here).await.map_err(failed)?;
        let name = |path: &Path| path.filename().unwrap_or_default().to_owned();
        let told = |object: ObjectMeta| (object.location, object.size);
        let files = found
            .objects
            .into_iter()
            .filter(|object| name(&object.location) != file);
        let files: Vec<_> = files.map(told).map(Ok).collect();
        let directories = found
            .common_prefixes
            .into_iter()
            .filter(|path| !own.contains(&name(path)));
        let directories: Vec<_> = directories.collect();
        let store = self.store;
        let below = stream::iter(directories).flat_map(move |directory| store.list(Some(&directory)));
        Ok(stream::iter(files).chain(below.map_ok(told).map_err(failed)))
    }
}
