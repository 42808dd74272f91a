//! Loads the images of an archive or a directory into a local store, as `podman load` does.
//!
//!     cargo run --release --example load -- --store images -i alpine.tar

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use wharf::{
    Client, Digest, Error, ErrorKind, ImageLocation, Name, Options, Selection, StoreImage, Target,
    store::Layout,
};

use common::archives;

/// Load all images of an archive, of any form and also compressed, or of a directory. Their names are printed; of an
/// image without a name, its ID.
#[derive(Parser)]
struct Arguments {
    /// Archive file, OCI image layout or directory of one image; `-`, the default, is standard input
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Directory of the store, an OCI image layout; it is made if it does not exist
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Accepted as by Podman: nothing but the images is printed
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    host: common::Host,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.host.command_timeout(), load(arguments))
}

async fn load(arguments: Arguments) -> Result<(), Error> {
    let client = arguments.host.builder()?.build()?;
    let store = Layout::create(&arguments.store).await?;
    if arguments.input.is_dir() {
        return directory(&client, &arguments, &store).await;
    }
    for image in archives::load(&client, &arguments.input, &store).await? {
        let digest = image.descriptor.digest();
        arguments.report(&image.names, image.image_id.as_ref().unwrap_or(digest), digest)?;
    }
    Ok(())
}

/// Loads an OCI image layout, or the image of a directory of Skopeo's `dir:`.
async fn directory(client: &Client, arguments: &Arguments, store: &Layout) -> Result<(), Error> {
    let path = &arguments.input;
    let is_layout = path.join("oci-layout").is_file();
    if !is_layout && !path.join("manifest.json").is_file() {
        let message = format!(
            "{} is a directory without images: it has neither oci-layout nor manifest.json",
            path.display()
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let location = |image| {
        let directory = path.clone();
        if is_layout {
            ImageLocation::Store { directory, image }
        } else {
            ImageLocation::Directory(directory)
        }
    };
    for image in client.list(location(StoreImage::Only)).await? {
        let names = image.names.iter().map(|name| Name::parse(name));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let options = Options::from(Selection::All);
        let options = match names.first() {
            Some(name) => options.with_name(name.clone()),
            None => options.without_name(),
        };
        let from = location(StoreImage::Position(image.position));
        let copied = client.copy_into(&from, store, options).await?;
        let manifest = wharf::Source::manifest(store, &Target::from(copied.digest())).await?;
        let id = manifest
            .config()
            .map_or(copied.digest(), |config| config.digest());
        arguments.report(&names, id, copied.digest())?;
    }
    Ok(())
}

impl Arguments {
    /// Prints the names of an image that was loaded, or its ID: the digest of its config, or of the index.
    fn report(&self, names: &[Name], id: &Digest, digest: &Digest) -> Result<(), Error> {
        for name in names {
            common::print(format_args!("Loaded image: {name}"))?;
        }
        if !names.is_empty() {
            return Ok(());
        }
        if !self.quiet {
            common::note(format_args!(
                "the image has no name; it is read as oci:{}@{digest}",
                self.store.display()
            ));
        }
        common::print(format_args!("Loaded image: {id}"))
    }
}
