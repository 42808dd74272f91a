//! Pushes, pulls and attaches artifacts, as ORAS does.
//!
//!     cargo run --release --example artifact -- push localhost:5000/models/small:1 weights.bin README.md:text/markdown

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

#[path = "../common/mod.rs"]
mod common;
mod contents;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use wharf::{
    Error, ErrorKind, Manifest, MediaType, Platform,
    artifact::{Artifact, ArtifactPullOptions, PulledArtifact},
    reference::Written,
};

use self::contents::{Contents, TypedFile};

/// Push, pull and attach artifacts: anything that is not an image.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Push files as an artifact; the last line printed is its digest
    Push(Push),
    /// Pull the files of an artifact to a directory; each path is printed, then the digest
    Pull(Pull),
    /// Push files as an artifact that refers to an image or artifact; the last line printed is its digest
    Attach(Attach),
    /// List the artifacts that refer to an image or artifact, as JSON
    Referrers(Referrers),
}

#[derive(Args)]
struct Push {
    /// The name of the artifact
    #[arg(value_name = "REF", value_parser = common::reference)]
    reference: Written,
    #[command(flatten)]
    contents: Contents,
    /// The type of the artifact; by default that of the config, or application/vnd.unknown.artifact.v1
    #[arg(long, value_name = "TYPE", value_parser = contents::media_type)]
    artifact_type: Option<MediaType>,
    /// A file with the config, as `--config Chart.json:application/vnd.cncf.helm.config.v1+json`
    #[arg(long, value_name = "FILE[:TYPE]", value_parser = contents::typed_file)]
    config: Option<TypedFile>,
    #[command(flatten)]
    connection: common::Connection,
}

#[derive(Args)]
struct Pull {
    /// The name of the artifact
    #[arg(value_name = "REF", value_parser = common::reference)]
    reference: Written,
    /// The directory, which is created if it is not there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Replace files that exist
    #[arg(long)]
    replace: bool,
    /// Unpack directories, which are archives otherwise
    #[arg(long)]
    unpack: bool,
    /// The artifact for this platform, of an index; the host's by default
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Print no progress
    #[arg(short, long)]
    quiet: bool,
    /// Write the config to this file, too; it must not exist without --replace
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    connection: common::Connection,
}

#[derive(Args)]
struct Attach {
    /// The name of the image or artifact that it refers to
    #[arg(value_name = "REF", value_parser = common::reference)]
    subject: Written,
    #[command(flatten)]
    contents: Contents,
    /// The type of the artifact that is attached
    #[arg(long, value_name = "TYPE", value_parser = contents::media_type)]
    artifact_type: MediaType,
    #[command(flatten)]
    connection: common::Connection,
}

#[derive(Args)]
struct Referrers {
    /// The name of the image or artifact
    #[arg(value_name = "REF", value_parser = common::reference)]
    subject: Written,
    /// Only those of this type
    #[arg(long, value_name = "TYPE", value_parser = contents::media_type)]
    artifact_type: Option<MediaType>,
    #[command(flatten)]
    connection: common::Connection,
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let connection = match &command {
        Command::Push(Push { connection, .. })
        | Command::Pull(Pull { connection, .. })
        | Command::Attach(Attach { connection, .. })
        | Command::Referrers(Referrers { connection, .. }) => connection,
    };
    common::run(connection.host.command_timeout(), run(command))
}

async fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Push(push) => push.run().await,
        Command::Pull(pull) => pull.run().await,
        Command::Attach(attach) => attach.run().await,
        Command::Referrers(referrers) => referrers.run().await,
    }
}

impl Push {
    async fn run(self) -> Result<(), Error> {
        let artifact = match (self.artifact_type, self.config) {
            (artifact_type, None) => Artifact::new(artifact_type.unwrap_or_else(contents::unknown_artifact)),
            (artifact_type, Some(TypedFile { path, media_type })) => {
                let bytes = read(&path)?;
                let media_type = media_type.unwrap_or_else(contents::unknown_config);
                match artifact_type {
                    Some(artifact_type) => Artifact::new(artifact_type).with_config(media_type, bytes),
                    None => Artifact::from_config(media_type, bytes),
                }
            }
        };
        let client = self
            .connection
            .client(Some(self.reference.normalise().registry()))?;
        let artifact = self.contents.add_to(artifact);
        let pushed = client.push_artifact(artifact, &self.reference).await?;
        common::print(pushed.digest())
    }
}

impl Pull {
    async fn run(self) -> Result<(), Error> {
        let client = self
            .connection
            .client(Some(self.reference.normalise().registry()))?;
        let name = format!("docker://{}", self.reference.normalise());
        let mut options = ArtifactPullOptions::default()
            .with_replace(self.replace)
            .with_unpack(self.unpack);
        if let Some(platform) = self.platform {
            options = options.with_platform(platform);
        }
        if !self.quiet {
            options =
                options.with_progress_listener(common::progress::for_stderr(self.reference.to_string()));
        }
        let PulledArtifact { manifest, files, .. } =
            client.pull_artifact_with(&name, &self.output, options).await?;
        if let Some(path) = &self.config {
            let at = pinned(&self.reference, &manifest);
            write(path, &client.config_bytes(at).await?, self.replace)?;
        }
        for file in &files {
            // A title can have any letters, such as those that move the cursor.
            common::print(file.path.display().to_string().escape_debug())?;
        }
        common::print(manifest.digest())
    }
}

impl Attach {
    async fn run(self) -> Result<(), Error> {
        let client = self
            .connection
            .client(Some(self.subject.normalise().registry()))?;
        let artifact = self.contents.add_to(Artifact::new(self.artifact_type));
        let attached = client.attach(artifact, &self.subject).await?;
        common::print(attached.digest())
    }
}

impl Referrers {
    async fn run(self) -> Result<(), Error> {
        let client = self
            .connection
            .client(Some(self.subject.normalise().registry()))?;
        let listed = client
            .referrers(&self.subject, self.artifact_type.as_ref())
            .await?;
        let json = serde_json::to_string_pretty(&listed);
        common::print(json.map_err(|error| Error::wrap(ErrorKind::Other, error))?)
    }
}

/// The location of the manifest that was pulled, whatever its tag means meanwhile.
fn pinned(reference: &Written, manifest: &Manifest) -> String {
    let repository = reference.normalise().repository();
    format!("docker://{repository}@{}", manifest.digest())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("cannot read {}", path.display())).with_source(error)
    })
}

fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(replace)
        .create_new(!replace);
    let written = options
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, bytes));
    written.map_err(|error| {
        let message = format!("cannot write {}", path.display());
        Error::new(ErrorKind::Storage, message).with_source(error)
    })
}
