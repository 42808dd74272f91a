//! The process that is maltreated: adds signatures to a lookaside directory.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use wharf_config::{Lookaside, SignatureStore};
use wharf_content::{Descriptor, Error, MediaType, Signature};
use wharf_distribution::{Client, Remote};
use wharf_http::{Connect, HttpService, Peer, Request, Response, ResponseBody};
use wharf_reference::Repository;
use wharf_testkit::faults;

/// Below the stage.
const STORE: &str = "store";

/// The bytes of the signature with this number. All have one size, so that only their bytes tell them apart.
pub(crate) fn blob(number: u64) -> Vec<u8> {
    let mut blob = vec![0x90];
    blob.extend(wharf_testkit::noise(number, 10_000));
    blob
}

/// The path of the files of the image, below the stage.
pub(crate) fn directory() -> String {
    format!("{STORE}/team/app@sha256={}", image().digest().encoded())
}

/// Runs `ROOT STEP...`; a step is the numbers of the signatures that are pushed at once.
pub(crate) fn run(arguments: &[String]) -> i32 {
    let (root, steps) = arguments.split_first().expect("a directory");
    faults::work(steps, &async |text: &str| step(Path::new(root), text).await)
}

/// Does one step.
pub(crate) async fn step(root: &Path, text: &str) -> Result<(), Error> {
    let numbers = text.split(' ').map(|number| number.parse().expect("a number"));
    let signatures: Vec<Signature> = numbers
        .map(|number| Signature::Simple(blob(number).into()))
        .collect();
    let pushed = remote(root).push_signatures(&image(), None, &signatures).await;
    pushed.map(drop).map_err(Error::from)
}

/// The signatures that a reader finds.
pub(crate) async fn read(root: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let remote = remote(root);
    let found = remote
        .signatures(image().digest(), wharf_content::Wanted::SIMPLE)
        .await?;
    let blobs = found.iter().map(|signature| match signature {
        Signature::Simple(blob) => blob.to_vec(),
        other => panic!("no half signature is read: {other:?}"),
    });
    Ok(blobs.collect())
}

fn image() -> Descriptor {
    Descriptor::of(MediaType::OCI_MANIFEST, b"{}")
}

fn remote(root: &Path) -> Remote {
    let store: PathBuf = root.join(STORE);
    let lookaside = Lookaside::parse(&format!("file://{}", store.display())).expect("a path");
    let client = Client::builder()
        .with_connect(Arc::new(Silent))
        .with_signature_locations(SignatureStore::default().with_lookaside(lookaside))
        .build();
    let repository = Repository::parse("registry.example.test/team/app").expect("a repository");
    client.expect("a client").remote(&repository)
}

/// A registry without a network, and without an API for signatures.
#[derive(Debug)]
struct Silent;

impl Connect for Silent {
    fn connect(&self, _: &Peer) -> Result<Arc<dyn HttpService>, wharf_http::Error> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl HttpService for Silent {
    async fn call(&self, _: Request) -> Result<Response, wharf_http::Error> {
        Ok(Response::new(ResponseBody::empty()))
    }
}
