//! `images rm`, `untag` and `prune`.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};

use clap::Args;
use wharf::{
    Error, ErrorKind, Target,
    store::{Collect, Filter, ImageSummary, Layout, Prune, find_summary},
};

use crate::{common, list::filter, text};

#[derive(Args)]
pub(crate) struct RemoveArguments {
    /// Remove an image of several names by its ID, and do not ask
    #[arg(short, long)]
    force: bool,
    /// An image that is not there is no failure
    #[arg(short, long)]
    ignore: bool,
    /// Remove all images
    #[arg(short, long, conflicts_with = "images")]
    all: bool,
    #[arg(value_name = "IMAGE", required_unless_present = "all")]
    images: Vec<String>,
}

#[derive(Args)]
pub(crate) struct PruneArguments {
    /// Remove all images that no running operation needs, also those with names
    #[arg(short, long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Only images that pass: until, label, label!
    #[arg(long, value_name = "KEY=VALUE", value_parser = filter_of_prune)]
    filter: Vec<Filter>,
}

fn filter_of_prune(text: &str) -> Result<Filter, String> {
    match filter(text)? {
        filter @ (Filter::Until(_) | Filter::Label(..) | Filter::NoLabel(..)) => Ok(filter),
        _ => Err("use until, label or label!".to_owned()),
    }
}

pub(crate) async fn remove(store: &Layout, arguments: &RemoveArguments) -> Result<(), Error> {
    let images = store.summaries().await?;
    if arguments.all {
        if !arguments.force && !confirmed("This removes all images, also those with names.")? {
            return Ok(());
        }
        for image in &images {
            remove_whole(store, image).await?;
        }
        return collect(store).await;
    }
    let mut failures: Vec<Error> = Vec::new();
    for text in &arguments.images {
        // An image before this one may have been the same.
        let images = store.summaries().await?;
        match find_summary(&images, text) {
            Ok(image) => {
                if let Err(error) = remove_one(store, image, text, arguments.force).await {
                    failures.push(error);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound && (arguments.ignore || arguments.force) => {}
            Err(error) => failures.push(error),
        }
    }
    collect(store).await?;
    match failures.pop() {
        None => Ok(()),
        Some(last) => {
            for error in failures {
                common::note(format_args!("error: {error}"));
            }
            Err(last)
        }
    }
}

async fn remove_one(store: &Layout, image: &ImageSummary, text: &str, force: bool) -> Result<(), Error> {
    if let Some(name) = image.name(text) {
        store.remove(&name.clone().into()).await?;
        common::print(format_args!("Untagged: {name}"))?;
        if image.names.len() == 1 {
            common::print(format_args!("Deleted: {}", image.id.encoded()))?;
        }
        return Ok(());
    }
    if image.names.len() > 1 && !force {
        let names: Vec<&str> = image.names.iter().map(wharf::Name::as_str).collect();
        let message = format!(
            "{text} has several names, {}: remove these, or all with --force",
            names.join(", ")
        );
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    remove_whole(store, image).await
}

async fn remove_whole(store: &Layout, image: &ImageSummary) -> Result<(), Error> {
    store.remove(&Target::Digest(image.digest.clone())).await?;
    for name in &image.names {
        common::print(format_args!("Untagged: {name}"))?;
    }
    common::print(format_args!("Deleted: {}", image.id.encoded()))
}

async fn collect(store: &Layout) -> Result<(), Error> {
    store.collect(&Collect::default()).await.map(drop)
}

pub(crate) async fn untag(store: &Layout, text: &str, names: &[String]) -> Result<(), Error> {
    let images = store.summaries().await?;
    let image = find_summary(&images, text)?;
    let mut chosen = Vec::new();
    for text in names {
        let name = image.name(text).ok_or_else(|| {
            let message = format!("{text} is no name of the image {}", text::id(&image.id, false));
            Error::new(ErrorKind::NotFound, message)
        })?;
        chosen.push(name);
    }
    if names.is_empty() {
        chosen = image.names.iter().collect();
    }
    for name in chosen {
        store.compare_and_swap(name, Some(&image.digest), None).await?;
    }
    Ok(())
}

pub(crate) async fn prune(store: &Layout, arguments: &PruneArguments) -> Result<(), Error> {
    let question = if arguments.all {
        "This removes all images that no running operation needs, also those with names."
    } else {
        "This removes all images without a name."
    };
    if !arguments.force && !arguments.dry_run && !confirmed(question)? {
        return Ok(());
    }
    let all = store.summaries().await?;
    let mut filters = arguments.filter.clone();
    if !arguments.all {
        filters.push(Filter::Dangling(true));
    }
    let chosen = Filter::all(&filters, &all)?;
    let digests: Vec<_> = chosen.iter().map(|image| image.digest.clone()).collect();
    let which = if arguments.all {
        Prune::All
    } else {
        Prune::Dangling
    };
    let options = Collect::default().with_dry_run(arguments.dry_run);
    let collected = store.prune_only(which, &digests, &options).await?;
    for image in chosen {
        for name in &image.names {
            common::print(name)?;
        }
        common::print(image.id.encoded())?;
    }
    let verb = if arguments.dry_run {
        "would be freed"
    } else {
        "freed"
    };
    common::note(format_args!("{} {verb}", text::size(collected.bytes())));
    Ok(())
}

/// Asks whether to go on. Without a terminal, nobody can answer.
fn confirmed(warning: &str) -> Result<bool, Error> {
    if !stdin().is_terminal() {
        common::note(format_args!(
            "error: {warning} There is no terminal to ask on: use --force"
        ));
        std::process::exit(2);
    }
    let failed = |error| Error::new(ErrorKind::Other, "cannot ask on the terminal").with_source(error);
    write!(
        stderr(),
        "WARNING! {warning}\nAre you sure you want to continue? [y/N] "
    )
    .map_err(failed)?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
