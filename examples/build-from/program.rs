//! The program, where directories become layers.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use wharf::{
    Error, ImageLocation,
    image::{Entries, Recipe, Set},
};

use crate::common::{self, building, changing};

/// Build an image of a directory: its files are the highest layer, and belong to root. The last line printed is the
/// digest of the result.
///
/// The same directory and base give the same image. Files keep their times; none is later than `SOURCE_DATE_EPOCH`, if it
/// is set, which is then the time of the image, too.
#[derive(Parser)]
struct Arguments {
    /// The image below, at a location such as `docker://REF` or `oci:DIR:NAME`; nothing without it
    #[arg(short, long, value_name = "SRC", value_parser = common::location)]
    base: Option<ImageLocation>,
    /// Set an environment variable; may be repeated
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The user that the command runs as
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// The directory that the command runs in
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    #[command(flatten)]
    layers: building::Layers,
    /// The directory whose content becomes the root of the image, or is added to that of the base
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where the image goes: `docker://REF`, `oci:DIR:NAME`, `dir:DIR`, `oci-archive:FILE:NAME`,
    /// `docker-archive:FILE:REF` or `docker-daemon:NAME:TAG`
    #[arg(value_name = "DST", value_parser = building::destination)]
    destination: ImageLocation,
    /// The command that a container runs; that of the base without it
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<String>,
    #[command(flatten)]
    ends: changing::Ends,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let limit = arguments.ends.connection.host.command_timeout();
    common::run(limit, build(arguments))
}

async fn build(arguments: Arguments) -> Result<(), Error> {
    let layer = arguments.layers.tree(&arguments.directory)?;
    let recipe = Recipe::new()
        .append(layer, building::history("build-from", None)?)
        .edit(building::unrecorded(arguments.sets())?);
    let (base, to) = (arguments.base.as_ref(), &arguments.destination);
    arguments.ends.build(base, to, &recipe).await
}

impl Arguments {
    fn sets(&self) -> Vec<Set> {
        let mut sets = Vec::new();
        if !self.command.is_empty() {
            sets.push(Set::Entrypoint(None));
            sets.push(Set::Cmd(Some(self.command.clone())));
        }
        sets.extend(self.env.iter().cloned().map(|pair| Set::Env(Entries::Add(pair))));
        sets.extend(self.user.clone().map(|user| Set::User(Some(user))));
        sets.extend(
            self.workdir
                .clone()
                .map(|directory| Set::WorkingDir(Some(directory))),
        );
        sets
    }
}
