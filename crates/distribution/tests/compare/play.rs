use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use wharf_content::{Descriptor, MediaType};
use wharf_registry::Registry;
use wharf_testkit::{
    Image, Request, Sandbox,
    hostile::{Driver, Origin, OriginOptions, Outcome, Stage, TokenDesk, holds, registry_answer, within},
};

use crate::scripts::{Act, Script};

/// The hosts of one script, all of them addresses of this machine: no client needs help to find them.
pub(crate) struct Play {
    pub(crate) stage: Stage,
    pub(crate) registry: Origin,
    /// Where the registry's tokens come from, at the registry's own address.
    pub(crate) auth: Origin,
    /// Another port of the registry's address.
    pub(crate) neighbour: Origin,
    /// A third one, without TLS.
    pub(crate) plain: Origin,
    pub(crate) cdn: Origin,
    pub(crate) evil: Origin,
    pub(crate) desk: TokenDesk,
    pub(crate) password: String,
    pub(crate) image: Image,
    /// What refers to the image.
    pub(crate) note: Image,
    model: Registry,
    folder: Sandbox,
}

pub(crate) const REPOSITORY: &str = "team/app";

impl Play {
    pub(crate) async fn new(script: &Script) -> Self {
        let stage = Stage::new();
        let tls = OriginOptions::default;
        let registry = stage.origin_with("127.0.0.2", tls()).await;
        let auth = stage.origin_with("127.0.0.2", tls()).await;
        let neighbour = stage.origin_with("127.0.0.2", tls()).await;
        let plain = stage.origin_with("127.0.0.2", tls().plain()).await;
        let cdn = stage.origin_with("127.0.0.3", tls()).await;
        let evil = stage.origin_with("127.0.0.4", tls()).await;
        let desk = TokenDesk::open(&stage, &registry, &auth);
        let password = stage.secret("password", &[&auth]);
        desk.user("alice", &password);
        let image = Image::builder().noise(7, 200_000).finish();
        let note = Image::builder()
            .artifact_type(MediaType::parse("application/vnd.example.note").unwrap())
            .subject(image.manifest().descriptor())
            .files(&[("note", b"n")])
            .finish();
        let play = Self {
            stage,
            registry,
            auth,
            neighbour,
            plain,
            cdn,
            evil,
            desk,
            password,
            image,
            note,
            model: Registry::memory(),
            folder: Sandbox::new(),
        };
        play.desk.guard(&play.registry);
        (script.set)(&play);
        play.registry.serve_ping();
        if script.act == Act::Push {
            play.registry.serve_registry(&play.model);
        } else {
            play.registry
                .serve_image(REPOSITORY, "v1", &play.image)
                .serve_image(REPOSITORY, "note", &play.note);
        }
        play
    }

    /// The registry that the client is told to use.
    pub(crate) fn target(&self, script: &Script) -> &Origin {
        match script.act {
            Act::PullPlain => &self.plain,
            _ => &self.registry,
        }
    }

    /// The image's layer.
    pub(crate) fn layer(&self) -> (&Descriptor, &Bytes) {
        let (descriptor, bytes) = self.image.blobs().get(1).unwrap();
        (descriptor, bytes)
    }

    /// Where the layer is asked for.
    pub(crate) fn layer_path(&self) -> String {
        format!("/blobs/{}", self.layer().0.digest())
    }

    pub(crate) async fn judge(self, script: &Script, driver: &dyn Driver, limit: Duration) -> Outcome {
        let repository = format!("{}/{REPOSITORY}", self.target(script).name());
        let (tagged, pulled) = (format!("{repository}:v1"), self.folder.path("pulled"));
        let digest = self.image.manifest().digest();
        let doing = async {
            match script.act {
                Act::Pull | Act::PullPlain => driver.pull(&tagged, &pulled).await,
                Act::PullDigest => driver.pull(&format!("{repository}@{digest}"), &pulled).await,
                Act::Push => driver.push(&self.source(), "v1", &tagged).await,
                Act::List => driver.list(&repository).await,
                Act::Referrers => driver.referrers(&repository, digest).await,
                Act::Login => driver.login(self.registry.name()).await,
            }
        };
        // Programs end themselves a little earlier; what does not is ended here.
        let done = within(limit + Duration::from_secs(10), doing).await;
        let is_pushed = script.act == Act::Push && self.is_pushed().await;
        let betrayed = (script.betrayed)(&self);
        let (image, note) = (&self.image, &self.note);
        let outcome = Outcome::of(self.stage, &done, |output| match script.act {
            Act::Pull | Act::PullPlain | Act::PullDigest => holds(&pulled, image),
            Act::Push => is_pushed,
            Act::List => output == "a\nb",
            Act::Referrers => output == note.manifest().digest().as_str(),
            Act::Login => true,
        });
        if betrayed { Outcome::Leaked } else { outcome }
    }

    /// A layout with the image to push.
    fn source(&self) -> PathBuf {
        let path = self.folder.path("source");
        self.image.write_layout(&path, "v1");
        path
    }

    /// Whether the registry has exactly the image.
    async fn is_pushed(&self) -> bool {
        let manifest = ("manifests/v1".to_owned(), self.image.manifest().bytes());
        let blobs = self.image.blobs().iter();
        let blobs = blobs.map(|(descriptor, bytes)| (format!("blobs/{}", descriptor.digest()), bytes));
        for (path, bytes) in blobs.chain([manifest]) {
            let request = Request {
                method: "GET".to_owned(),
                target: format!("/v2/{REPOSITORY}/{path}"),
                ..Request::default()
            };
            if registry_answer(&self.model, &request).await.content() != bytes {
                return false;
            }
        }
        true
    }
}
