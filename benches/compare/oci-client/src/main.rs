//! What a program does that pulls and pushes OCI layouts with oci-client: its calls, eight blobs at a time, files in a layout.
//!
//!     oci-client-peer pull HOST/NAME:TAG DIR TAG
//!     oci-client-peer push DIR TAG HOST/NAME:TAG
//!
//! Before them, `--tls CA USER PASSWORD`: over TLS, with an authority's certificate in PEM, as a user.

use std::{
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use oci_client::{
    Client, Reference,
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol},
    errors::OciDistributionError,
    manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest},
    secrets::RegistryAuth,
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

/// As many as wharf's default.
const CONCURRENCY: usize = 8;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (access, arguments) = match arguments.as_slice() {
        ["--tls", authority, user, password, rest @ ..] => (Access::tls(authority, user, password)?, rest),
        rest => (Access::plain(), rest),
    };
    match arguments {
        ["pull", reference, directory, tag] => {
            pull(&access, &reference.parse()?, Path::new(directory), tag).await
        }
        ["push", directory, tag, reference] => {
            push(&access, Path::new(directory), tag, &reference.parse()?).await
        }
        _ => {
            bail!("usage: oci-client-peer [--tls CA USER PASSWORD] pull REF DIR TAG | push DIR TAG REF")
        }
    }
}

struct Access {
    client: Client,
    auth: RegistryAuth,
}

impl Access {
    fn plain() -> Self {
        Self {
            client: Client::new(ClientConfig {
                protocol: ClientProtocol::Http,
                ..ClientConfig::default()
            }),
            auth: RegistryAuth::Anonymous,
        }
    }

    fn tls(authority: &str, user: &str, password: &str) -> anyhow::Result<Self> {
        let authority = Certificate {
            encoding: CertificateEncoding::Pem,
            data: std::fs::read(authority)?,
        };
        Ok(Self {
            client: Client::new(ClientConfig {
                extra_root_certificates: vec![authority],
                ..ClientConfig::default()
            }),
            auth: RegistryAuth::Basic(user.to_owned(), password.to_owned()),
        })
    }
}

async fn pull(access: &Access, reference: &Reference, layout: &Path, tag: &str) -> anyhow::Result<()> {
    let client = &access.client;
    let (bytes, digest) = client
        .pull_manifest_raw(reference, &access.auth, &[OCI_IMAGE_MEDIA_TYPE])
        .await?;
    let manifest: OciImageManifest = serde_json::from_slice(&bytes)?;
    tokio::fs::create_dir_all(layout.join("blobs/sha256")).await?;
    stream::iter(blobs(&manifest))
        .map(|descriptor| pull_blob(client, reference, layout, descriptor))
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    store(&blob_path(layout, &digest)?, &bytes).await?;
    let entry = json!({
        "mediaType": OCI_IMAGE_MEDIA_TYPE, "digest": digest, "size": bytes.len(),
        "annotations": { "org.opencontainers.image.ref.name": tag },
    });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    store(&layout.join("index.json"), index.to_string().as_bytes()).await?;
    store(&layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#).await
}

/// Verified by oci-client, written beside its place and synced, as skopeo and wharf do.
async fn pull_blob(
    client: &Client,
    reference: &Reference,
    layout: &Path,
    descriptor: &OciDescriptor,
) -> anyhow::Result<()> {
    let path = blob_path(layout, &descriptor.digest)?;
    let partial = path.with_extension("partial");
    let mut file = tokio::fs::File::create(&partial).await?;
    client.pull_blob(reference, descriptor, &mut file).await?;
    file.sync_all().await?;
    Ok(tokio::fs::rename(partial, path).await?)
}

async fn push(access: &Access, layout: &Path, tag: &str, reference: &Reference) -> anyhow::Result<()> {
    let index: Value = serde_json::from_slice(&tokio::fs::read(layout.join("index.json")).await?)?;
    let entry = index["manifests"].as_array().into_iter().flatten();
    let entry = entry
        .into_iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag);
    let digest = entry
        .and_then(|entry| entry["digest"].as_str())
        .context("no such tag")?;
    let bytes = tokio::fs::read(blob_path(layout, digest)?).await?;
    let manifest: OciImageManifest = serde_json::from_slice(&bytes)?;
    let client = &access.client;
    client
        .auth(reference, &access.auth, oci_client::RegistryOperation::Push)
        .await?;
    stream::iter(blobs(&manifest))
        .map(|descriptor| push_blob(client, reference, layout, descriptor))
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    client
        .push_manifest_raw(
            reference,
            bytes,
            http::HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE),
        )
        .await?;
    Ok(())
}

async fn push_blob(
    client: &Client,
    reference: &Reference,
    layout: &Path,
    descriptor: &OciDescriptor,
) -> anyhow::Result<()> {
    let file = tokio::fs::File::open(blob_path(layout, &descriptor.digest)?).await?;
    let failed = |error: Error| OciDistributionError::GenericError(Some(error.to_string()));
    let chunks = ReaderStream::with_capacity(file, 256 * 1024).map_err(failed);
    client
        .push_blob_stream(
            reference,
            chunks,
            &descriptor.digest,
            Some(u64::try_from(descriptor.size)?),
        )
        .await?;
    Ok(())
}

fn blobs(manifest: &OciImageManifest) -> Vec<&OciDescriptor> {
    std::iter::once(&manifest.config)
        .chain(&manifest.layers)
        .collect()
}

fn blob_path(layout: &Path, digest: &str) -> Result<PathBuf, Error> {
    let encoded = digest.strip_prefix("sha256:").ok_or(ErrorKind::InvalidData)?;
    Ok(layout.join("blobs/sha256").join(encoded))
}

async fn store(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = tokio::fs::File::create(path).await?;
    file.write_all(bytes).await?;
    Ok(file.sync_all().await?)
}
