//! Images of a daemon: a scripted one that misbehaves, and Podman's service.

mod addresses;
mod copies;
mod peers;
mod reading;
mod writing;

use std::sync::Arc;

use wharf::{BuiltImage, Daemon, DaemonLoad, Error, ImageBuilder, MediaType, Name, Options, Platform};
use wharf_testkit::{DaemonAct, ScriptedDaemon, noise};

const NAME: &str = "docker.io/library/app:1";

/// An image with a layer of this many bytes.
fn image(layer: usize) -> BuiltImage {
    ImageBuilder::for_platform(Platform::host())
        .with_layer_bytes(MediaType::OCI_LAYER, noise(3, layer))
        .build()
        .unwrap()
}

fn daemon(scripted: &ScriptedDaemon) -> Daemon {
    Daemon::new(scripted.address().parse().unwrap())
}

/// Loads an image under [`NAME`].
async fn load(daemon: &Daemon, image: &BuiltImage) -> Result<DaemonLoad, Error> {
    let options = Options::default().with_name(Name::parse(NAME).unwrap());
    let target = image.digest().clone().into();
    let loaded = daemon.load(Arc::new(image.clone()), &target, options).await;
    loaded.map(|(report, loaded)| {
        assert_eq!(report.digest(), image.digest());
        loaded
    })
}

fn send(text: impl AsRef<[u8]>) -> DaemonAct {
    DaemonAct::Send(text.as_ref().to_vec())
}

/// An answer with a body that ends where the connection does.
fn answer(status: &str, body: impl AsRef<[u8]>) -> DaemonAct {
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body.as_ref());
    DaemonAct::Send(bytes)
}
