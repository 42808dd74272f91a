//! Loads archives that come as streams.

use std::path::Path;

use wharf_archive::{Loaded, load};
use wharf_content::{ByteStream, Error, Sink};

use crate::Client;

impl Client {
    /// Loads all images of an archive that comes as a stream into a store, under their names: in any form, also
    /// compressed as a whole. `origin` is the file that the stream is read from, if it is one: the trust policy may have
    /// a rule for it. [`wharf_archive::load`] says how the stream is read.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
    /// use wharf::archive::read_stream;
    ///
    /// for image in client.load(read_stream(std::io::stdin()), None, &store).await? {
    ///     println!("{} {:?}", image.descriptor.digest(), image.names);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`](wharf_content::ErrorKind::Rejected) unless the trust policy accepts any image from
    /// archives of both forms, since a stream does not bring signatures; otherwise as [`wharf_archive::load`].
    pub async fn load<S>(
        &self,
        stream: ByteStream,
        origin: Option<&Path>,
        store: &S,
    ) -> Result<Vec<Loaded>, Error>
    where
        S: Sink + ?Sized,
    {
        self.inner.guard.admit_stream(origin)?;
        load(stream, store).await
    }
}
