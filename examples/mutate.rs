//! Changes the config of an image, as `crane mutate` does.
//!
//!     cargo run --release --example mutate -- --cmd /bin/sh --env A=b oci:images:alpine oci:images:mine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use wharf::{
    Error, Platform,
    content::parse_timestamp,
    image::{
        Edit, Entries, Recipe, Scope, Set,
        tar::{Member, MemberEdit, Time},
    },
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
    /// A directory for data, added; may be repeated
    #[arg(short = 'V', long, value_name = "PATH")]
    volume: Vec<String>,
    /// The author
    #[arg(long, value_name = "TEXT")]
    author: Option<String>,
    /// The time at which the image was made, such as 2026-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    created: Option<String>,
    /// Clear a part of the config before the other flags set it; may be repeated
    #[arg(long, value_name = "PART")]
    clear: Vec<Part>,
    /// Remove an environment variable; may be repeated
    #[arg(long, value_name = "NAME")]
    unsetenv: Vec<String>,
    /// Remove a label, likewise
    #[arg(long, value_name = "KEY")]
    unsetlabel: Vec<String>,
    /// Remove a layer and its entry of the history, counted from one, lowest first; may be repeated
    #[arg(long, value_name = "N")]
    remove_layer: Vec<usize>,
    /// Remove a file or directory from all layers, which get new digests; may be repeated
    #[arg(long, value_name = "PATH")]
    strip_file: Vec<String>,
    /// Give the files of all layers no later time than this, such as 2026-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    layer_time_max: Option<i64>,
    /// The platform that the image states
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    set_platform: Option<Platform>,
    /// Add no entry to the history
    #[arg(long)]
    no_history: bool,
    #[command(flatten)]
    ends: changing::Ends,
}

/// A part of a config that can be cleared, by umoci's name.
#[derive(Clone, Copy, ValueEnum)]
enum Part {
    #[value(name = "config.entrypoint", alias = "entrypoint")]
    Entrypoint,
    #[value(name = "config.cmd", alias = "cmd")]
    Cmd,
    #[value(name = "config.env", alias = "env")]
    Env,
    #[value(name = "config.labels", alias = "labels")]
    Labels,
    #[value(name = "config.exposedports", aliases = ["exposedports", "exposed-ports"])]
    ExposedPorts,
    #[value(name = "config.volume", aliases = ["volume", "volumes"])]
    Volumes,
    #[value(name = "config.user", alias = "user")]
    User,
    #[value(name = "config.workingdir", aliases = ["workingdir", "workdir"])]
    WorkingDir,
    #[value(name = "config.stopsignal", aliases = ["stopsignal", "stop-signal"])]
    StopSignal,
    #[value(name = "author")]
    Author,
    #[value(name = "created")]
    Created,
}

impl Part {
    const fn cleared(self) -> Set {
        match self {
            Self::Entrypoint => Set::Entrypoint(None),
            Self::Cmd => Set::Cmd(None),
            Self::Env => Set::Env(Entries::Clear),
            Self::Labels => Set::Label(Entries::Clear),
            Self::ExposedPorts => Set::Port(Entries::Clear),
            Self::Volumes => Set::Volume(Entries::Clear),
            Self::User => Set::User(None),
            Self::WorkingDir => Set::WorkingDir(None),
            Self::StopSignal => Set::StopSignal(None),
            Self::Author => Set::Author(None),
            Self::Created => Set::Created(None),
        }
    }
}

/// Reads a time by its second.
fn seconds(text: &str) -> Result<i64, String> {
    let time = parse_timestamp(text).ok_or("use a time such as 2026-01-01T00:00:00Z")?;
    Ok(time.0)
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
        let mut removed = self.remove_layer.clone();
        removed.sort_unstable();
        removed.dedup();
        for number in removed.into_iter().rev() {
            recipe = recipe.remove(number); // from the top, so that the numbers below stay
        }
        if !self.strip_file.is_empty() || self.layer_time_max.is_some() {
            recipe = recipe.members(self.decide());
        }
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

    /// The decision about each member of the layers.
    fn decide(&self) -> impl Fn(&Member) -> MemberEdit + Send + Sync + use<> {
        let clean = |path: &String| {
            path.trim_start_matches("./")
                .trim_matches('/')
                .as_bytes()
                .to_vec()
        };
        let stripped: Vec<Vec<u8>> = self.strip_file.iter().map(clean).collect();
        let latest = self.layer_time_max.map(|seconds| Time::new(seconds, 0));
        move |member| {
            let is_stripped = stripped.iter().any(|path| {
                let rest = member.name().strip_prefix(path.as_slice());
                rest.is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
            });
            match latest {
                _ if is_stripped => MemberEdit::Drop,
                Some(latest) if member.modified() > latest => member.clone().with_modified(latest).into(),
                _ => MemberEdit::Keep,
            }
        }
    }

    fn sets(&self) -> Vec<Set> {
        let mut sets: Vec<Set> = self.clear.iter().map(|part| part.cleared()).collect();
        let (env, labels) = (self.unsetenv.iter().cloned(), self.unsetlabel.iter().cloned());
        sets.extend(env.map(|name| Set::Env(Entries::Remove(name))));
        sets.extend(labels.map(|key| Set::Label(Entries::Remove(key))));
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
        let volumes = self.volume.iter().cloned();
        sets.extend(volumes.map(|path| Set::Volume(Entries::Add(path))));
        sets.extend(self.author.clone().map(|author| Set::Author(Some(author))));
        sets.extend(self.created.clone().map(|time| Set::Created(Some(time))));
        sets.extend(self.set_platform.clone().map(Set::Platform));
        sets
    }
}
