//! Deletes an image from a registry or a store, as `skopeo delete` does.
//!
//!     cargo run --release --example delete -- docker://registry.example.com/team/app:old

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use tokio::task::JoinSet;
use wharf::{
    Client, Digest, Error, ErrorKind, ImageLocation, Name, Reference, StoreImage, Tag, Target,
    distribution::Remote,
    store::{Collect, Layout},
};

/// The most tags that are looked up at the same time.
const CONCURRENT: usize = 16;

/// Delete an image. Every tag and name that is gone is printed, then the digest of a manifest that is.
///
/// Of a registry, a name with a tag deletes the tag alone where the registry can do that, and the manifest stays; where
/// it cannot, and for a name with a digest, the manifest is deleted with all tags that mean it. In a store, the name is
/// removed, and the content that no other image needs.
#[derive(Parser)]
struct Arguments {
    /// `docker://REF`, `oci:DIR:NAME`, `oci:DIR:@N` or `oci:DIR@DIGEST`
    #[arg(value_name = "IMAGE", value_parser = common::location)]
    image: ImageLocation,
    /// Do not look up which tags go with a manifest: one request for each tag of the repository less
    #[arg(short, long)]
    no_tags: bool,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    refused: common::refused::OfReaders,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), delete(arguments))
}

async fn delete(arguments: Arguments) -> Result<(), Error> {
    match &arguments.image {
        ImageLocation::Registry(reference) => {
            let reference = reference.clone().or_latest();
            let client = arguments.connection.client(Some(reference.registry()))?;
            from_registry(&client, &reference, !arguments.no_tags).await
        }
        ImageLocation::Store { directory, image } => from_store(directory, image).await,
        ImageLocation::Archive { path, .. } => Err(refused(&format!(
            "{}: an image is not taken out of an archive; write another archive of the images that stay, or remove the file",
            path.display()
        ))),
        ImageLocation::Directory(path) => Err(refused(&format!(
            "{}: it is a directory of one image; remove the directory",
            path.display()
        ))),
        other => Err(refused(&format!("{other}: images are not deleted there"))),
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

async fn from_registry(client: &Client, reference: &Reference, list: bool) -> Result<(), Error> {
    let remote = client
        .distribution()
        .remote(&reference.repository())
        .without_mirrors();
    let digest = match (reference.tag(), reference.digest()) {
        (_, Some(digest)) => digest,
        (Some(tag), None) => {
            let digest = remote.resolve(&Target::of(reference)).await?.digest().clone();
            match remote.delete_tag(&tag).await {
                Ok(()) => return common::print(format_args!("Untagged: {reference}")),
                Err(error) if error.kind() == ErrorKind::Unsupported => digest,
                Err(error) => return Err(error.into()),
            }
        }
        (None, None) => return Err(refused(&format!("{reference}: a tag or a digest is missing"))),
    };
    let tags = if list {
        tags_of(&remote, &digest).await?
    } else {
        reference.tag().into_iter().collect()
    };
    remote.delete_manifest(&digest).await?;
    for tag in tags {
        common::print(format_args!("Untagged: {}:{tag}", reference.repository()))?;
    }
    common::print(format_args!("Deleted: {digest}"))
}

/// The tags that mean a manifest.
async fn tags_of(remote: &Remote, digest: &Digest) -> Result<Vec<Tag>, Error> {
    let mut found = Vec::new();
    let mut looking = JoinSet::new();
    let mut tags = remote.tags().collect().await?.into_iter().enumerate();
    loop {
        while looking.len() < CONCURRENT
            && let Some((position, tag)) = tags.next()
        {
            let remote = remote.clone();
            looking.spawn(async move {
                let resolved = remote.resolve(&Target::Name(tag.clone().into())).await;
                (position, tag, resolved)
            });
        }
        let Some(looked) = looking.join_next().await else {
            break;
        };
        let (position, tag, resolved) = looked.map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        match resolved {
            Ok(descriptor) if descriptor.digest() == digest => found.push((position, tag)),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {} // it went meanwhile
            Err(error) => return Err(error.into()),
        }
    }
    found.sort_by_key(|(position, _)| *position);
    Ok(found.into_iter().map(|(_, tag)| tag).collect())
}

async fn from_store(directory: &std::path::Path, image: &StoreImage) -> Result<(), Error> {
    let store = Layout::open(directory).await?;
    let target = image.target(&store).await?;
    let digest = wharf::Source::resolve(&store, &target).await?.digest().clone();
    let names = names_of(&store, &digest).await?;
    if !store.remove(&target).await? {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let message = format!(
            "{} has no image that is called so in full; {digest} is {}",
            directory.display(),
            names.join(", ")
        );
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let stay = names_of(&store, &digest).await?;
    for name in names.iter().filter(|name| !stay.contains(name)) {
        common::print(format_args!("Untagged: {name}"))?;
    }
    let images = store.images().await?;
    let is_listed = images.iter().any(|one| *one.descriptor().digest() == digest);
    drop(store); // it has read the image, and so keeps its content
    Layout::open(directory)
        .await?
        .collect(&Collect::default())
        .await?;
    if is_listed {
        return Ok(());
    }
    common::print(format_args!("Deleted: {digest}"))
}

/// The names of an image in a store.
async fn names_of(store: &Layout, digest: &Digest) -> Result<Vec<Name>, Error> {
    let images = store.images().await?;
    let names = images
        .iter()
        .filter(|image| image.descriptor().digest() == digest);
    Ok(names.filter_map(|image| image.name().cloned()).collect())
}
