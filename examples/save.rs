//! Saves images to an archive or a directory, as `podman save` does.
//!
//!     cargo run --release --example save -- --store images -o alpine.tar docker.io/library/alpine:3.20

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use wharf::{
    ArchiveForm, Client, Error, ErrorKind, ImageLocation, Name, Options, Registry, StoreImage,
    image::{Format as ImageFormat, Layers, Recipe},
    store::Layout,
};

use common::archives;

/// Save images to an archive, which `docker load`, `podman load` and Skopeo read, or to a directory.
#[derive(Parser)]
struct Arguments {
    /// The image: its name in the store, or its location with a transport, such as `docker://REF`. What follows are more
    /// names for it; with -m, more images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// Directory of the store, an OCI image layout
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// File or directory to write; `-`, the default, is standard output, which must be redirected
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// docker-archive keeps every byte and is an OCI archive, too; the others convert manifests to their type
    #[arg(long, value_name = "docker-archive|oci-archive|oci-dir|docker-dir", default_value = "docker-archive",
          value_parser = form)]
    format: Form,
    /// Save several images in one archive
    #[arg(short, long)]
    multi_image_archive: bool,
    /// Compress layers that are not compressed; for docker-dir
    #[arg(long)]
    compress: bool,
    /// Accepted as by Podman: layers that are not compressed stay so
    #[arg(long, hide = true)]
    uncompressed: bool,
    #[command(flatten)]
    archives: archives::Archives,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    transfer: common::Transfer,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    DockerArchive,
    OciArchive,
    OciDir,
    DockerDir,
}

fn form(text: &str) -> Result<Form, String> {
    Ok(match text {
        "docker-archive" => Form::DockerArchive,
        "oci-archive" => Form::OciArchive,
        "oci-dir" => Form::OciDir,
        "docker-dir" => Form::DockerDir,
        _ => return Err("use docker-archive, oci-archive, oci-dir or docker-dir".to_owned()),
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), save(arguments))
}

/// An image to save, and its names there.
struct Image {
    from: ImageLocation,
    names: Vec<Name>,
}

async fn save(mut arguments: Arguments) -> Result<(), Error> {
    let images = arguments.parsed()?;
    let registries: Vec<Registry> = images
        .iter()
        .filter_map(|image| common::registry_of(&image.from))
        .collect();
    let creds = arguments.connection.creds.take();
    let mut builder = arguments.connection.host.reader()?;
    match (creds, registries.as_slice()) {
        (Some(credential), [first, rest @ ..]) => {
            if rest.iter().any(|other| other != first) {
                return Err(invalid("--creds would go to several registries: use --authfile"));
            }
            builder = builder.with_credential(first.clone(), credential);
        }
        (Some(_), []) => return Err(invalid("--creds is for a registry, and no image is in one")),
        (None, _) => {}
    }
    let client = common::build(builder)?;
    match arguments.format {
        Form::DockerArchive => {
            arguments
                .archive(&client, &images, ArchiveForm::Docker, None)
                .await
        }
        Form::OciArchive => {
            let recipe = Recipe::new().format(ImageFormat::Oci);
            arguments
                .archive(&client, &images, ArchiveForm::Oci, Some(recipe))
                .await
        }
        Form::OciDir => arguments.layout(&client, &images).await,
        Form::DockerDir => arguments.directory(&client, &images).await,
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

impl Arguments {
    /// The images of the command line with their names.
    fn parsed(&self) -> Result<Vec<Image>, Error> {
        let is_archive = matches!(self.format, Form::DockerArchive | Form::OciArchive);
        if self.multi_image_archive && !is_archive {
            return Err(invalid(
                "a directory is for one image: leave out --multi-image-archive",
            ));
        }
        if !is_archive && archives::is_standard_output(&self.output) {
            return Err(invalid(
                "a directory is not written to standard output: name it with --output",
            ));
        }
        if !is_archive {
            self.archives.refuse_elsewhere()?;
        }
        if self.compress && self.format != Form::DockerDir {
            return Err(invalid("--compress is for the format docker-dir"));
        }
        if self.multi_image_archive {
            return self.images.iter().map(|text| self.image(text)).collect();
        }
        let (first, more) = self.images.split_first().ok_or_else(|| invalid("no image"))?;
        let mut image = self.image(first)?;
        for text in more {
            let name = archives::full_name(text).map_err(|message| {
                invalid(&format!(
                    "{message}\nWithout -m, {text:?} is another name for {first}"
                ))
            })?;
            image.names.push(name);
        }
        Ok(vec![image])
    }

    fn image(&self, text: &str) -> Result<Image, Error> {
        let from = match &self.store {
            Some(directory) if !common::has_transport(text) => ImageLocation::Store {
                directory: directory.clone(),
                image: text.parse()?,
            },
            None if !common::has_transport(text) => {
                return Err(invalid(&format!(
                    "{text}: name the directory of the store with --store, or write docker://{text} for the image of a registry"
                )));
            }
            _ => common::location(text).map_err(|message| invalid(&message))?,
        };
        let name = match &from {
            ImageLocation::Registry(reference) => {
                Some(Name::from(&reference.clone().or_latest())).filter(|_| !reference.has_digest())
            }
            ImageLocation::Store { image, .. } | ImageLocation::Archive { image, .. } => match image {
                StoreImage::Name(name) => Some(name.clone()),
                _ => None,
            },
            _ => None,
        };
        Ok(Image {
            from,
            names: name.into_iter().collect(),
        })
    }

    fn options(&self, image: &Image) -> Options {
        let options = self.transfer.options(&image.from);
        match image.names.first() {
            Some(name) => options.with_name(name.clone()),
            None => options.without_name(),
        }
    }

    async fn archive(
        &self,
        client: &Client,
        images: &[Image],
        form: ArchiveForm,
        recipe: Option<Recipe>,
    ) -> Result<(), Error> {
        let writer = self.archives.create(&self.output, form).await?;
        for image in images {
            let options = self.options(image);
            let copied = match &recipe {
                Some(recipe) => client.convert_into(&image.from, &writer, recipe, options).await?,
                None => client.copy_into(&image.from, &writer, options).await?,
            };
            for name in image.names.iter().skip(1) {
                writer.tag(name, copied.digest())?;
            }
        }
        for remark in archives::remarks(&writer.finish().await?) {
            self.transfer.note(remark);
        }
        Ok(())
    }

    async fn layout(&self, client: &Client, images: &[Image]) -> Result<(), Error> {
        let store = Layout::create(&self.output).await?;
        let recipe = Recipe::new().format(ImageFormat::Oci);
        for image in images {
            let options = self.options(image);
            let copied = client.convert_into(&image.from, &store, &recipe, options).await?;
            for name in image.names.iter().skip(1) {
                store.tag(name, copied.report().root()).await?;
            }
        }
        Ok(())
    }

    async fn directory(&self, client: &Client, images: &[Image]) -> Result<(), Error> {
        let mut recipe = Recipe::new().format(ImageFormat::Docker);
        if self.compress {
            recipe = recipe.layers(Layers::Compressed);
        }
        let to = ImageLocation::Directory(Path::new(&self.output).to_owned());
        for image in images {
            let options = self.transfer.options(&image.from);
            client
                .convert_to_with(&image.from, client, &to, &recipe, options)
                .await?;
        }
        Ok(())
    }
}
