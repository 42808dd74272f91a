use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use wharf_archive::Loaded;
use wharf_content::{Error, ErrorKind, Platform, Sink, Source, Target};
use wharf_copy::{Options, Report};
use wharf_http::{Timeouts, TlsSettings};
use wharf_reference::Digest;

use super::{
    DaemonHost,
    asked::Asked,
    certificates,
    connection::Connection,
    saved,
    writer::{DaemonLoad, DaemonWriter},
};
use crate::DaemonImage;

/// The longest pause of a daemon between the bytes of its answer: it loads an image meanwhile.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// A Docker daemon, or Podman's service, which images are loaded into and read from.
///
/// Nothing is contacted before an image is loaded or read. No variable of the environment is read but by the
/// constructors that say so, and no proxy is used.
///
/// ```no_run
/// # async fn example() -> Result<(), wharf::Error> {
/// use wharf::{Client, Daemon};
///
/// let client = Client::builder().with_daemon(Daemon::podman()).build()?;
/// client.copy("docker://quay.io/fedora/fedora:latest", "docker-daemon:fedora:latest").await?;
/// # Ok(())
/// # }
/// ```
///
/// | method | requests |
/// |---|---|
/// | [`load`](Self::load), [`writer`](Self::writer) | `GET /_ping`, `POST /images/load` |
/// | [`get`](Self::get), [`get_all`](Self::get_all) | `GET /_ping`, `GET /images/get` |
///
/// The version of the API is the newest that the daemon states.
#[derive(Debug, Clone)]
pub struct Daemon {
    host: DaemonHost,
    tls: TlsSettings,
    timeouts: Timeouts,
    platform: Option<Platform>,
    scratch: PathBuf,
}

impl Daemon {
    /// The daemon at an address.
    ///
    /// ```
    /// use wharf::Daemon;
    ///
    /// let daemon = Daemon::new("unix:///run/user/1000/podman/podman.sock".parse()?);
    /// # Ok::<(), wharf::Error>(())
    /// ```
    #[must_use]
    pub fn new(host: DaemonHost) -> Self {
        Self {
            host,
            tls: TlsSettings::default(),
            timeouts: Timeouts::default().with_idle(IDLE).with_minimum_rate(0),
            platform: None,
            scratch: std::env::temp_dir(),
        }
    }

    /// Docker's daemon of this machine, at `/var/run/docker.sock`.
    #[must_use]
    pub fn docker() -> Self {
        Self::new(DaemonHost::docker())
    }

    /// Podman's service of this machine: at the socket of this user, `$XDG_RUNTIME_DIR/podman/podman.sock`, if it
    /// exists, and at the system's otherwise, `/run/podman/podman.sock`.
    #[must_use]
    pub fn podman() -> Self {
        Self::new(podman_host(|name| std::env::var_os(name)))
    }

    /// The daemon that the environment names for Docker's programs: by `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and
    /// `DOCKER_CERT_PATH`. Without `DOCKER_HOST` it is [`Daemon::docker`]. Of `tcp://` the connection is encrypted if one
    /// of the other two variables is set, as for Docker.
    ///
    /// # Deviation
    ///
    /// The certificate of the daemon is verified wherever the connection is encrypted. Docker does not verify it with
    /// `DOCKER_CERT_PATH` alone.
    ///
    /// # Errors
    ///
    /// As [`DaemonHost`] for the address, and as [`Daemon::with_certificates`].
    pub fn from_docker_env() -> Result<Self, Error> {
        Self::of_docker(|name| std::env::var_os(name))
    }

    /// The service that the environment names for Podman's programs, by `CONTAINER_HOST`; without it,
    /// [`Daemon::podman`].
    ///
    /// # Errors
    ///
    /// As [`DaemonHost`] for the address.
    pub fn from_podman_env() -> Result<Self, Error> {
        Self::of_podman(|name| std::env::var_os(name))
    }

    fn of_docker(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let Some(host) = set("DOCKER_HOST") else {
            return Ok(Self::docker());
        };
        let host = text("DOCKER_HOST", host)?;
        let certificates = set("DOCKER_CERT_PATH");
        if certificates.is_none() && set("DOCKER_TLS_VERIFY").is_none() {
            return DaemonHost::parse_plain(&host).map(Self::new);
        }
        let daemon = Self::new(host.parse()?);
        if !daemon.host.is_encrypted() {
            return Ok(daemon);
        }
        let directory = certificates
            .map(PathBuf::from)
            .or_else(|| set("DOCKER_CONFIG").map(PathBuf::from))
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".docker")));
        match directory {
            Some(directory) => daemon.with_certificates(directory),
            None => Ok(daemon),
        }
    }

    fn of_podman(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        match variable("CONTAINER_HOST").filter(|value| !value.is_empty()) {
            Some(host) => DaemonHost::parse_plain(&text("CONTAINER_HOST", host)?).map(Self::new),
            None => Ok(Self::new(podman_host(variable))),
        }
    }

    /// Sets the certificates of an encrypted connection, read now from a directory as Docker has them: `ca.pem` is the
    /// authority that is trusted, instead of the system's; `cert.pem` and `key.pem` are presented to the daemon. Each
    /// may be absent, the latter two together.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such directory, [`ErrorKind::Invalid`] for a certificate without its key
    /// and a key without its certificate, and for an address whose connection is not encrypted; the failure to read a
    /// file. What is in the files is checked when the daemon is contacted.
    pub fn with_certificates(mut self, directory: impl AsRef<Path>) -> Result<Self, Error> {
        if !self.host.is_encrypted() {
            let message = format!(
                "the connection to {} is not encrypted: it has no certificates",
                self.host
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        self.tls = certificates::of_directory(directory.as_ref())?;
        Ok(self)
    }

    /// Sets the time limits. By default those of [`Timeouts::default`], with 15 minutes for a pause in an answer and
    /// without a minimum rate: the daemon may be loading an image meanwhile.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets the platform whose images are read, of images that the daemon has for several. A daemon whose API is older
    /// than 1.48 has each image for one platform, and is not asked. Default: all that the daemon has.
    #[must_use]
    pub fn with_platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Sets the directory below which an image that is copied from the daemon is kept meanwhile, unless it is copied
    /// into a store, which takes it as it comes. It must have room for the largest image. Default: the directory for
    /// temporary files. [`Daemon::get`] needs none.
    #[must_use]
    pub fn with_scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = directory.into();
        self
    }

    /// The address.
    #[must_use]
    pub const fn host(&self) -> &DaemonHost {
        &self.host
    }

    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Loads an image into the daemon, under the name of the options. It is sent as it is read from the source; nothing
    /// is stored on the way. Of an index, the image for this host's platform is loaded, unless the options say
    /// otherwise; of a whole index, Docker's classic store takes one image.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wharf::Error> {
    /// use std::sync::Arc;
    /// use wharf::{Daemon, Name, Options, store::Layout};
    ///
    /// let store = Arc::new(Layout::open("images").await?);
    /// let options = Options::default().with_name(Name::parse("docker.io/library/app:1")?);
    /// let (report, loaded) = Daemon::docker().load(store, &Name::parse("app")?.into(), options).await?;
    /// println!("{}: {:?}", report.digest(), loaded.names);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`] with the text of the daemon if it refuses the image, also after it has begun to answer;
    /// [`ErrorKind::Network`], [`ErrorKind::Denied`] and [`ErrorKind::Tls`] if it cannot be reached;
    /// [`ErrorKind::Timeout`]; [`ErrorKind::NoSpace`] if its disk is full; the errors of the source.
    pub async fn load(
        &self,
        source: Arc<dyn Source>,
        target: &Target,
        options: impl Into<Options>,
    ) -> Result<(Report, DaemonLoad), Error> {
        let writer = Arc::new(self.writer().await?);
        let options = options.into().with_concurrency(std::num::NonZeroUsize::MIN);
        let report = wharf_copy::copy(source, Arc::clone(&writer) as Arc<dyn Sink>, target, options).await?;
        Ok((report, writer.finish().await?))
    }

    /// Begins to load images: any number, with any names, in one request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Network`], [`ErrorKind::Denied`], [`ErrorKind::Tls`] and [`ErrorKind::Timeout`] if the daemon cannot
    /// be reached; [`ErrorKind::Unsupported`] if the server is no daemon.
    pub async fn writer(&self) -> Result<DaemonWriter, Error> {
        DaemonWriter::begin(self.connect().await?).await
    }

    /// Reads an image of the daemon into a sink, under the name that it is asked for by: no other name of the sink changes,
    /// whatever the daemon sends, and an image that is asked for by its ID, or that the daemon sends without the name, is
    /// listed without one. Blobs are written as they come; the
    /// name is set last, and not if the image does not arrive whole.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wharf::Error> {
    /// use wharf::{Daemon, store::Layout};
    ///
    /// let store = Layout::create("images").await?;
    /// let image = Daemon::docker().get(&"app:1".parse()?, &store).await?;
    /// println!("{:?}", image.image_id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the daemon has no such image; [`ErrorKind::Mismatch`] if it sends another one than the
    /// ID says; [`ErrorKind::Network`], [`ErrorKind::Denied`], [`ErrorKind::Tls`] and [`ErrorKind::Timeout`] if it cannot
    /// be reached or stops; otherwise as [`wharf_archive::load`], which needs a sink that takes blobs of unknown digest.
    pub async fn get<S: Sink + ?Sized>(&self, image: &DaemonImage, sink: &S) -> Result<Loaded, Error> {
        let loaded = self.get_named(image, std::slice::from_ref(image), sink).await?;
        list_if_unnamed(&loaded, sink).await?;
        Ok(loaded)
    }

    /// Reads an image into a sink as [`Daemon::get`] does, and gives it no name there; nor is it listed.
    pub(super) async fn get_unnamed<S: Sink + ?Sized>(
        &self,
        image: &DaemonImage,
        sink: &S,
    ) -> Result<Loaded, Error> {
        self.get_named(image, &[], sink).await
    }

    /// Reads an image; of its names, those of `named` are set.
    async fn get_named<S: Sink + ?Sized>(
        &self,
        image: &DaemonImage,
        named: &[DaemonImage],
        sink: &S,
    ) -> Result<Loaded, Error> {
        let asked = Asked::new(sink, named);
        let mut loaded = asked.named(self.read(std::slice::from_ref(image), &asked).await?);
        let (Some(found), true) = (loaded.pop(), loaded.is_empty()) else {
            let message = format!(
                "the daemon at {} sends several images for {image}, or none",
                self.host
            );
            return Err(Error::new(ErrorKind::Ambiguous, message));
        };
        if let DaemonImage::Id(id) = image
            && !is_of_id(&found, id)
        {
            let message = format!(
                "the daemon at {} sends the image {} for {image}",
                self.host,
                found
                    .image_id
                    .as_ref()
                    .unwrap_or_else(|| found.descriptor.digest())
            );
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        Ok(found)
    }

    /// Reads several images in one request, as [`Daemon::get`] does.
    ///
    /// # Errors
    ///
    /// As [`Daemon::get`]; [`ErrorKind::Mismatch`] also if the daemon does not send an image that is asked for by its ID,
    /// or by a name with a tag.
    pub async fn get_all<S: Sink + ?Sized>(
        &self,
        images: &[DaemonImage],
        sink: &S,
    ) -> Result<Vec<Loaded>, Error> {
        let asked = Asked::new(sink, images);
        let loaded = asked.named(self.read(images, &asked).await?);
        let is_sent = |image: &DaemonImage| match (image, image.name()) {
            (DaemonImage::Id(id), _) => loaded.iter().any(|sent| is_of_id(sent, id)),
            (_, Some(name)) => loaded.iter().any(|sent| sent.names.contains(&name)),
            (_, None) => true, // a digest of a registry, which an archive does not have
        };
        if let Some(image) = images.iter().find(|image| !is_sent(image)) {
            let message = format!("the daemon at {} does not send {image}", self.host);
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        for image in &loaded {
            list_if_unnamed(image, sink).await?;
        }
        Ok(loaded)
    }

    async fn read<S: Sink>(&self, images: &[DaemonImage], sink: &S) -> Result<Vec<Loaded>, Error> {
        let connection = self.connect().await?;
        saved::read(&connection, images, self.platform.as_ref(), sink).await
    }

    async fn connect(&self) -> Result<Connection, Error> {
        Connection::open(&self.host, &self.tls, self.timeouts).await
    }
}

/// True if an ID is that of an image: of its config, or of its manifest as containerd's store has it.
fn is_of_id(image: &Loaded, id: &Digest) -> bool {
    image.image_id.as_ref() == Some(id) || image.descriptor.digest() == id
}

/// Lists an image that was asked for, and has no name in the sink.
async fn list_if_unnamed<S: Sink + ?Sized>(image: &Loaded, sink: &S) -> Result<(), Error> {
    if image.names.is_empty() {
        sink.list_unnamed(&image.descriptor).await?;
    }
    Ok(())
}

fn text(name: &str, value: OsString) -> Result<String, Error> {
    value.into_string().map_err(|_| {
        let message = format!("the variable {name} is not UTF-8: set it to unix:///PATH or tcp://HOST:PORT");
        Error::new(ErrorKind::Invalid, message)
    })
}

fn podman_host(variable: impl Fn(&str) -> Option<OsString>) -> DaemonHost {
    let own =
        variable("XDG_RUNTIME_DIR").map(|directory| PathBuf::from(directory).join("podman/podman.sock"));
    match own.filter(|path| path.is_absolute() && path.exists()) {
        Some(path) => DaemonHost::unix(path),
        None => DaemonHost::unix("/run/podman/podman.sock"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(set: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        }
    }

    #[test]
    fn the_environment_names_a_daemon_as_docker_reads_it() {
        for (set, expected) in [
            (&[][..], Ok("unix:///var/run/docker.sock")),
            (&[("DOCKER_HOST", "")], Ok("unix:///var/run/docker.sock")),
            (&[("DOCKER_TLS_VERIFY", "1")], Ok("unix:///var/run/docker.sock")),
            (
                &[("DOCKER_HOST", "unix:///d.sock"), ("DOCKER_TLS_VERIFY", "1")],
                Ok("unix:///d.sock"),
            ),
            (&[("DOCKER_HOST", "tcp://h")], Ok("http://h:2375")),
            (
                &[("DOCKER_HOST", "tcp://h"), ("DOCKER_TLS_VERIFY", "")],
                Ok("http://h:2375"),
            ),
            (
                &[("DOCKER_HOST", "tcp://h"), ("DOCKER_TLS_VERIFY", "1")],
                Ok("tcp://h:2376"),
            ),
            (
                &[("DOCKER_HOST", "tcp://h"), ("DOCKER_CERT_PATH", "/")],
                Ok("tcp://h:2376"),
            ),
            (
                &[("DOCKER_HOST", "tcp://h"), ("DOCKER_CERT_PATH", "/no/such")],
                Err(ErrorKind::NotFound),
            ),
            (&[("DOCKER_HOST", "ssh://h")], Err(ErrorKind::Unsupported)),
            (&[("DOCKER_HOST", "h")], Err(ErrorKind::Invalid)),
        ] {
            let daemon = Daemon::of_docker(variables(set));
            let host = daemon.map(|daemon| daemon.host().to_string());
            assert_eq!(host.as_deref().map_err(Error::kind), expected, "{set:?}");
        }
    }

    #[test]
    fn the_environment_names_podmans_service() {
        for (set, expected) in [
            (&[][..], Ok("unix:///run/podman/podman.sock")),
            (
                &[("XDG_RUNTIME_DIR", "/no/such")],
                Ok("unix:///run/podman/podman.sock"),
            ),
            (
                &[("XDG_RUNTIME_DIR", "relative")],
                Ok("unix:///run/podman/podman.sock"),
            ),
            (&[("CONTAINER_HOST", "unix:///p.sock")], Ok("unix:///p.sock")),
            (&[("CONTAINER_HOST", "tcp://h:1")], Ok("http://h:1")),
            (
                &[("CONTAINER_HOST", "ssh://u@h/run/p.sock")],
                Err(ErrorKind::Unsupported),
            ),
        ] {
            let daemon = Daemon::of_podman(variables(set));
            let host = daemon.map(|daemon| daemon.host().to_string());
            assert_eq!(host.as_deref().map_err(Error::kind), expected, "{set:?}");
        }
    }
}
