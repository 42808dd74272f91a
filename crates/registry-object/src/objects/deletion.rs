use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use object_store::{ObjectStoreExt as _, path::Path};
use wharf_content::Error;

use super::{Objects, error};

/// The most requests at a time.
const AT_ONCE: usize = 16;

impl Objects {
    /// Deletes objects, and returns those that are gone, and the last failure. One that is not there is gone.
    pub(crate) async fn delete(&self, objects: Vec<String>) -> (Vec<String>, Option<Error>) {
        let paths = objects.into_iter().map(|object| (self.path(&object), object));
        let mut left: HashMap<Path, String> = paths.collect();
        // Many with one request, where the store can. Failures do not say of which object they are.
        let all: Vec<_> = left.keys().cloned().map(Ok).collect();
        let mut answers = self.store.delete_stream(stream::iter(all).boxed());
        let mut gone = Vec::with_capacity(left.len());
        while let Some(answer) = answers.next().await {
            if let Ok(path) = answer {
                gone.extend(left.remove(&path));
            }
        }
        drop(answers);
        // Then one by one. A store that fails once is asked for no more than is under way.
        let requests = left.into_iter().map(|(path, object)| async move {
            match self.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(object),
                Err(failure) => Err(error::failed("delete an object", &failure)),
            }
        });
        let mut requests = stream::iter(requests.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        while let Some(answer) = requests.next().await {
            match answer {
                Ok(object) => gone.push(object),
                Err(failure) => return (gone, Some(failure)),
            }
        }
        (gone, None)
    }
}
