//! The steps, as crane takes them and as a recipe.

use wharf_content::{History, Platform};
use wharf_image::{Edit, Entries, Recipe, Scope, Set};

use super::images::{Images, REGISTRY, new_layer};

/// One step.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The image that is changed.
    pub(super) image: &'static str,
    /// The arguments of crane: `@NAME` is an image in the registry, `%FILE` a file. The result is `@out`, or the file
    /// `%exported.tar`.
    pub(super) crane: &'static [&'static str],
    pub(super) step: Step,
    /// Differences by design, as JSON pointers into the result.
    pub(super) differs: &'static [&'static str],
}

/// The step of this crate that does as crane's.
pub(super) enum Step {
    Recipe(fn(&Images) -> Recipe),
    Export,
}

/// Bytes that are compressed here are others than those of Go's gzip.
const GZIP: &[&str] = &["/layers/3/digest"];
/// crane builds the config anew, and the manifest as one of Docker's: the author, the time, the annotations and the types of
/// OCI are lost.
const REBASED: &[&str] = &[
    "/annotations/kept",
    "/annotations/replaced",
    "/config/author",
    "/config/created",
    "/config_type",
    "/type",
];
/// Docker's format has no annotations, and crane writes them.
const REBASED_DOCKER: &[&str] = &["/annotations", "/config/author", "/config/created"];
/// crane states the present time and a text of its own, and makes config and layer those of Docker's format.
const FLATTENED: &[&str] = &[
    "/config/created",
    "/config/history/0/created",
    "/config/history/0/created_by",
    "/config/rootfs/diff_ids/0",
    "/config_type",
    "/layers/0/digest",
    "/layers/0/type",
];
const FLATTENED_DOCKER: &[&str] = &[
    "/config/created",
    "/config/history/0/created",
    "/config/history/0/created_by",
    "/config/rootfs/diff_ids/0",
    "/layers/0/digest",
];

fn added() -> History {
    History::default().with_created("0001-01-01T00:00:00Z")
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

fn edited(sets: Vec<Set>) -> Recipe {
    Recipe::new().edit(Edit::from(sets).without_history()) // crane's mutate leaves the history as it is
}

fn append(file: &str) -> Recipe {
    Recipe::new().append(new_layer(file), added())
}

const fn recipe(
    name: &'static str,
    image: &'static str,
    crane: &'static [&'static str],
    recipe: fn(&Images) -> Recipe,
) -> Row {
    Row {
        name,
        image,
        crane,
        step: Step::Recipe(recipe),
        differs: &[],
    }
}

const fn but_for(mut row: Row, differs: &'static [&'static str]) -> Row {
    row.differs = differs;
    row
}

const fn export(name: &'static str, image: &'static str, crane: &'static [&'static str]) -> Row {
    Row {
        name,
        image,
        crane,
        step: Step::Export,
        differs: &[],
    }
}

#[rustfmt::skip] // a row is a line or two
pub(super) const ROWS: &[Row] = &[
    but_for(recipe("append-plain", "app", &["append", "-b", "@app", "-f", "%plain.tar", "-t", "@out"], |_| append("plain.tar")), GZIP),
    recipe("append-gzip", "app", &["append", "-b", "@app", "-f", "%gzip.tar.gz", "-t", "@out"], |_| append("gzip.tar.gz")),
    recipe("append-zstd", "app", &["append", "-b", "@app", "-f", "%zstd.tar.zst", "-t", "@out"], |_| append("zstd.tar.zst")),
    but_for(recipe("append-docker", "docker-app", &["append", "-b", "@docker-app", "-f", "%plain.tar", "-t", "@out"], |_| append("plain.tar")), GZIP),
    but_for(recipe("append-two", "app", &["append", "-b", "@app", "-f", "%plain.tar", "-f", "%gzip.tar.gz", "-t", "@out"], |_| append("plain.tar").append(new_layer("gzip.tar.gz"), added())), GZIP),
    recipe("append-annotated", "app", &["append", "--set-base-image-annotations", "-b", "@app", "-f", "%gzip.tar.gz", "-t", "@out"], |images| {
        append("gzip.tar.gz")
            .annotate(Scope::Each, "org.opencontainers.image.base.digest", images.manifest("app").digest().as_str())
            .annotate(Scope::Each, "org.opencontainers.image.base.name", format!("{REGISTRY}/app:1"))
    }),
    recipe("cmd", "app", &["mutate", "--cmd", "a,b c", "-t", "@out", "@app"], |_| edited(vec![Set::Cmd(Some(list(&["a", "b c"])))])),
    recipe("entrypoint", "app", &["mutate", "--entrypoint", "/x,-y", "-t", "@out", "@app"], |_| edited(vec![Set::Entrypoint(Some(list(&["/x", "-y"])))])),
    recipe("entrypoint-and-cmd", "docker-app", &["mutate", "--entrypoint", "/x", "--cmd", "z", "-t", "@out", "@docker-app"], |_| edited(vec![Set::Entrypoint(Some(list(&["/x"]))), Set::Cmd(Some(list(&["z"])))])),
    recipe("env-new", "app", &["mutate", "-e", "NEW=1=2", "-t", "@out", "@app"], |_| edited(vec![Set::Env(Entries::Add(pair("NEW", "1=2")))])),
    recipe("env-replaced", "app", &["mutate", "-e", "PATH=/bin", "-t", "@out", "@app"], |_| edited(vec![Set::Env(Entries::Add(pair("PATH", "/bin")))])),
    recipe("labels", "app", &["mutate", "-l", "replaced=new", "-l", "added=<&>", "-t", "@out", "@app"], |_| edited(vec![Set::Label(Entries::Add(pair("replaced", "new"))), Set::Label(Entries::Add(pair("added", "<&>")))])),
    recipe("annotations", "app", &["mutate", "-a", "replaced=new", "-a", "added=1", "-t", "@out", "@app"], |_| Recipe::new().annotate(Scope::Each, "replaced", "new").annotate(Scope::Each, "added", "1")),
    recipe("user", "app", &["mutate", "-u", "1000:100", "-t", "@out", "@app"], |_| edited(vec![Set::User(Some("1000:100".into()))])),
    recipe("workdir", "docker-app", &["mutate", "-w", "/srv", "-t", "@out", "@docker-app"], |_| edited(vec![Set::WorkingDir(Some("/srv".into()))])),
    recipe("ports", "app", &["mutate", "--exposed-ports", "443/tcp,53/udp", "-t", "@out", "@app"], |_| edited(vec![Set::Port(Entries::Replace(vec!["443/tcp".into(), "53/udp".into()]))])),
    recipe("platform", "app", &["mutate", "--set-platform", "linux/arm64/v8", "-t", "@out", "@app"], |_| edited(vec![Set::Platform("linux/arm64/v8".parse::<Platform>().unwrap())])),
    recipe("mutate-append", "app", &["mutate", "--append", "%gzip.tar.gz", "-t", "@out", "@app"], |_| append("gzip.tar.gz")),
    but_for(recipe("rebase", "app", &["rebase", "--old_base", "@old", "--new_base", "@new", "-t", "@out", "@app"], |images| Recipe::new().rebase(images.base("old"), images.base("new"))), REBASED),
    but_for(recipe("rebase-docker", "docker-app", &["rebase", "--old_base", "@docker-old", "--new_base", "@docker-new", "-t", "@out", "@docker-app"], |images| Recipe::new().rebase(images.base("docker-old"), images.base("docker-new"))), REBASED_DOCKER),
    but_for(recipe("flatten", "app", &["flatten", "-t", "@out", "@app"], |_| Recipe::new().squash(..)), FLATTENED),
    but_for(recipe("flatten-docker", "docker-app", &["flatten", "-t", "@out", "@docker-app"], |_| Recipe::new().squash(..)), FLATTENED_DOCKER),
    export("export", "app", &["export", "@app", "%exported.tar"]),
    export("export-docker", "docker-new", &["export", "@docker-new", "%exported.tar"]),
];
