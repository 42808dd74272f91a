//! Changes the config of an image, as `crane mutate` does.
//!
//!     cargo run --release --example mutate -- --cmd /bin/sh --env A=b oci:images:alpine oci:images:mine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use wharf::{
    Error, Platform,
    image::{Edit, Entries, Recipe, Scope, Set},
};

use common::{building, changing};

/// Change the config of an image. The last line printed is the digest of the result.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    changed: changing::Changed,
    /// The entrypoint, with commas between arguments; nothing removes it. Cmd is removed, unless --cmd is given
    #[arg(long, value_name = "ARGUMENTS")]
    entrypoint: Option<String>,
    /// The arguments of the entrypoint, likewise
    #[arg(long, value_name = "ARGUMENTS")]
    cmd: Option<String>,
    /// An environment variable, added or replaced; may be repeated
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// A label, likewise
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// An annotation of the manifest, likewise
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    annotation: Vec<(String, String)>,
    /// The user
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// The working directory
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// The signal that ends the process
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// The ports, in the place of those there are, with commas between
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    exposed_ports: Vec<String>,
    /// The platform that the image states
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    set_platform: Option<Platform>,
    /// Add no entry to the history
    #[arg(long)]
    no_history: bool,
    #[command(flatten)]
    ends: changing::Ends,
}

/// Reads a name and a value.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("use NAME=VALUE".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(
        arguments.ends.connection.host.command_timeout(),
        mutate(arguments),
    )
}

async fn mutate(arguments: Arguments) -> Result<(), Error> {
    let recipe = arguments.recipe()?;
    arguments
        .changed
        .change(&arguments.ends, async |_| Ok(recipe))
        .await
}

impl Arguments {
    fn recipe(&self) -> Result<Recipe, Error> {
        let mut recipe = Recipe::new();
        let sets = self.sets();
        if !sets.is_empty() {
            let edit = Edit::from(sets);
            recipe = recipe.edit(if self.no_history {
                edit.without_history()
            } else {
                edit.with_history(building::history("mutate", None)?)
            });
        }
        for (key, value) in &self.annotation {
            recipe = recipe.annotate(Scope::Each, key, value);
        }
        Ok(recipe)
    }

    fn sets(&self) -> Vec<Set> {
        let mut sets = Vec::new();
        let list = |text: &String| {
            let arguments = text.split(',').map(str::to_owned);
            (!text.is_empty()).then(|| arguments.collect::<Vec<_>>())
        };
        sets.extend(self.entrypoint.as_ref().map(|text| Set::Entrypoint(list(text))));
        sets.extend(self.cmd.as_ref().map(|text| Set::Cmd(list(text))));
        let (env, labels) = (self.env.iter().cloned(), self.label.iter().cloned());
        sets.extend(env.map(|pair| Set::Env(Entries::Add(pair))));
        sets.extend(labels.map(|pair| Set::Label(Entries::Add(pair))));
        sets.extend(self.user.clone().map(|user| Set::User(Some(user))));
        sets.extend(self.workdir.clone().map(|path| Set::WorkingDir(Some(path))));
        let signal = self.stop_signal.clone();
        sets.extend(signal.map(|signal| Set::StopSignal(Some(signal))));
        if !self.exposed_ports.is_empty() {
            sets.push(Set::Port(Entries::Replace(self.exposed_ports.clone())));
        }
        sets.extend(self.set_platform.clone().map(Set::Platform));
        sets
    }
}
