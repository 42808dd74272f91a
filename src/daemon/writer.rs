//! Images are loaded into a daemon.

use std::fmt;

use async_trait::async_trait;
use http::{HeaderValue, Method, header::CONTENT_TYPE};
use tokio::{sync::Mutex, task::JoinHandle};
use wharf_archive::{OciOnly, Writer, WriterOptions};
use wharf_content::{Blob, Descriptor, Error, ErrorKind, Location, Manifest, Name, Platform, Sink};
use wharf_http::{RequestBody, RequestClass};
use wharf_reference::Digest;

use super::{
    DaemonHost, answer,
    connection::Connection,
    upload::{self, Upload},
};

/// Loads images into a daemon, with [`Sink`]: what is pushed is sent at once, as an archive that Docker and Podman
/// read. Nothing is stored on the way.
///
/// Blobs are taken one at a time, in the order in which they are pushed. The daemon has the images when
/// [`DaemonWriter::finish`] returns; a writer that is dropped before ends the request, and the daemon refuses the rest.
/// After a failure every call fails: the images are loaded again from the beginning.
///
/// ```no_run
/// # async fn example(image: wharf::BuiltImage) -> Result<(), wharf::Error> {
/// use wharf::{Daemon, Name, SinkExt as _};
///
/// let writer = Daemon::docker().writer().await?;
/// writer.push_image(&image, Some(&Name::parse("docker.io/library/app:1")?)).await?;
/// println!("loaded {:?}", writer.finish().await?.names);
/// # Ok(())
/// # }
/// ```
pub struct DaemonWriter {
    writer: Writer,
    upload: Upload,
    host: DaemonHost,
    /// `None` after the answer.
    answer: Mutex<Option<Answer>>,
}

/// The report of a daemon about images that were loaded.
///
/// The digests of the manifests are those that were sent. A daemon with Docker's classic store keeps configs and the
/// content of layers, and no manifests: what it exports or pushes later has other digests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DaemonLoad {
    /// The names and IDs that the daemon listed, with control characters escaped.
    pub names: Vec<String>,
    /// The images that were sent in the archive's OCI layout alone, so that Docker's classic store does not have them.
    pub oci_only: Vec<OciOnly>,
    /// True if layers are compressed with zstd, which old Docker cannot load.
    pub has_zstd: bool,
}

/// The answer to come. Dropping it ends the request.
struct Answer(JoinHandle<Result<Vec<String>, Error>>);

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl DaemonWriter {
    /// Begins a request to load images.
    pub(super) async fn begin(connection: Connection) -> Result<Self, Error> {
        let (upload, body) = upload::body();
        let mut request = connection.request(
            Method::POST,
            "images/load",
            &[("quiet", "1")],
            RequestClass::Commit,
        )?;
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        request.body = RequestBody::Stream {
            bytes: Box::pin(body.clone()),
            length: None,
        };
        let host = connection.host.clone();
        let answer = tokio::spawn(async move {
            let answer = async {
                let response = connection.send(request, "load an image into").await?;
                answer::loaded(response.into_body(), &connection.host).await
            };
            let answer = answer.await;
            body.close(); // whoever still writes need not
            answer
        });
        let answer = Mutex::new(Some(Answer(answer)));
        let options = WriterOptions::default().with_platform(daemon_platform());
        match Writer::stream(upload.clone(), options).await {
            Ok(writer) => Ok(Self {
                writer,
                upload,
                host,
                answer,
            }),
            Err(error) => Err(explain(&answer, &upload, &host, error).await),
        }
    }

    /// Gives a manifest that was pushed a name, in addition to those that it has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the manifest was not pushed.
    pub fn tag(&self, name: &Name, manifest: &Digest) -> Result<(), Error> {
        self.writer.tag(name, manifest)
    }

    /// Sends the names and the end, and waits until the daemon has loaded the images.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`] with the text of the daemon if it refuses an image; [`ErrorKind::Unsupported`] if it has
    /// loaded nothing because nothing was a container image; otherwise as [`Daemon::load`](super::Daemon::load).
    pub async fn finish(&self) -> Result<DaemonLoad, Error> {
        let written = match self.writer.finish().await {
            Ok(written) => written,
            Err(error) => return Err(self.explain(error).await),
        };
        if let Err(error) = self.upload.end().await {
            return Err(self.explain(Error::wrap(ErrorKind::Network, error)).await);
        }
        let answer = self.answer.lock().await.take();
        let Some(answer) = answer else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the images are loaded already",
            ));
        };
        let names = answered(answer).await?;
        if let (true, Some(first)) = (names.is_empty(), written.oci_only.first()) {
            let message = format!(
                "the daemon at {} has loaded nothing: {}, of {}",
                self.host,
                first.reason,
                first.descriptor.digest()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(DaemonLoad {
            names,
            oci_only: written.oci_only,
            has_zstd: written.has_zstd,
        })
    }

    async fn explain(&self, error: Error) -> Error {
        explain(&self.answer, &self.upload, &self.host, error).await
    }
}

/// The answer of the daemon in place of an error that came of it: that nothing more could be written.
async fn explain(answer: &Mutex<Option<Answer>>, upload: &Upload, host: &DaemonHost, error: Error) -> Error {
    if !upload.is_closed() {
        return error;
    }
    let Some(answer) = answer.lock().await.take() else {
        return error;
    };
    if let Err(reason) = answered(answer).await {
        return reason;
    }
    let message = format!("the daemon at {host} answered before it had the whole image");
    Error::new(ErrorKind::Server, message)
}

async fn answered(mut answer: Answer) -> Result<Vec<String>, Error> {
    (&mut answer.0).await.map_err(|error| {
        Error::new(ErrorKind::Cancelled, "the request to the daemon was stopped").with_source(error)
    })?
}

/// The platform of the image that Docker's classic store takes of an index: Linux also where the daemon is in a virtual
/// machine of another system.
fn daemon_platform() -> Platform {
    let host = Platform::host();
    match host.os.as_str() {
        "linux" | "windows" => host,
        _ => Platform::new("linux", host.architecture),
    }
}

#[async_trait]
impl Sink for DaemonWriter {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        self.writer.contains(descriptor).await
    }

    async fn contains_cached(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        self.writer.contains_cached(descriptors).await
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        match self.writer.push_blob(blob).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(error).await),
        }
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        match self.writer.push_manifest(manifest, name).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(error).await),
        }
    }

    fn can_mount(&self, _: &Location) -> bool {
        false
    }

    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        self.writer.accepts(descriptor)
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        self.writer.stored_manifest(descriptor).await
    }

    fn location(&self) -> Location {
        Location::Daemon(self.host.to_string())
    }
}

impl fmt::Debug for DaemonWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DaemonWriter")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}
