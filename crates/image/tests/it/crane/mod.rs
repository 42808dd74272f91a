//! The results of crane and of this crate for the same images and steps: `append`, `mutate`, `rebase`, `flatten`, `export`.
//!
//! `recorded.jsonl` has the version of crane, and of each step the command and the result. Where crane and docker-registry are
//! installed, crane takes the steps again. `WHARF_UPDATE_GOLDEN=1` writes the file anew.

mod images;
mod result;
mod rows;

use std::{
    collections::BTreeSet,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use wharf_content::{Source as _, Target};
use wharf_copy::{Selection, copy};
use wharf_image::{Options, export, prepare};
use wharf_store::{Layout, Memory};
use wharf_testkit::{DockerRegistry, Sandbox, optional_peers_present};

use self::{
    images::{Images, REGISTRY},
    rows::{ROWS, Row, Step},
};

fn recorded_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/crane/recorded.jsonl")
}

/// The version of crane, and the lines of the steps.
fn recorded() -> (String, Vec<Value>) {
    let text = fs::read_to_string(recorded_file()).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let first: Value = lines.next().unwrap();
    (first["crane"].as_str().unwrap().to_owned(), lines.collect())
}

/// The result of a step of this crate.
async fn ours(images: &Images, row: &Row) -> Value {
    let (source, target) = (
        images.store.0.clone(),
        Target::from(images.manifest(row.image).digest()),
    );
    let options = Options::default();
    match row.step {
        Step::Export => {
            let tar = Written::default();
            export(source, &target, tar.clone(), &options).await.unwrap();
            let tar = tar.0.lock().unwrap_or_else(PoisonError::into_inner);
            result::of_tar(tar.as_slice())
        }
        Step::Recipe(recipe) => {
            let sink = Arc::new(Memory::new());
            let recipe = recipe(images);
            let prepared = prepare(source, sink.clone(), &target, &recipe, &options)
                .await
                .unwrap();
            let target = prepared.target();
            copy(Arc::new(prepared), sink.clone(), &target, Selection::All.into())
                .await
                .unwrap();
            result::of_image(&*sink, &sink.manifest(&target).await.unwrap()).await
        }
    }
}

/// A writer into memory, which is read when the writer is gone.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Where two results differ, as JSON pointers.
fn differences(ours: &Value, theirs: &Value, pointer: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let at = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                differences(&ours[key], &theirs[key], &at, found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (number, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, &format!("{pointer}/{number}"), found);
            }
        }
        _ if ours != theirs => found.push(pointer.to_owned()),
        _ => {}
    }
}

#[tokio::test]
async fn each_step_gives_what_crane_gave() {
    let images = Images::make().await;
    let (_, lines) = recorded();
    assert_eq!(lines.len(), ROWS.len());
    for (row, line) in ROWS.iter().zip(&lines) {
        assert_eq!(
            (&line["name"], &line["crane"]),
            (&json!(row.name), &json!(row.crane))
        );
        let (ours, theirs, mut found) = (ours(&images, row).await, &line["result"], Vec::new());
        differences(&ours, theirs, "", &mut found);
        let values: Vec<_> = found
            .iter()
            .map(|pointer| (ours.pointer(pointer), theirs.pointer(pointer)))
            .collect();
        assert_eq!(found, row.differs, "{}: {values:#?}", row.name);
    }
}

/// crane with a registry that has the images.
struct Crane {
    sandbox: Sandbox,
    registry: DockerRegistry,
}

impl Crane {
    async fn start(images: &Images) -> Self {
        let (sandbox, registry) = (Sandbox::new(), DockerRegistry::start());
        images::write_layers(&sandbox.path("."));
        let crane = Self { sandbox, registry };
        for (name, layout) in images.write(&crane.sandbox.path(".")).await {
            let to = crane.argument(&format!("@{name}"));
            crane.run(&["push".to_owned(), layout, to]);
        }
        crane
    }

    fn run(&self, arguments: &[String]) -> String {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.sandbox.tool("crane", &[]).run(&arguments).ok()
    }

    fn argument(&self, argument: &str) -> String {
        if let Some(name) = argument.strip_prefix('@') {
            return format!("{}/{name}:1", self.registry.name());
        }
        match argument.strip_prefix('%') {
            Some(file) => self.sandbox.path(file).display().to_string(),
            None => argument.to_owned(),
        }
    }

    /// The result of a step of crane.
    async fn result(&self, row: &Row) -> Value {
        let arguments: Vec<String> = row.crane.iter().map(|argument| self.argument(argument)).collect();
        self.run(&arguments);
        if matches!(row.step, Step::Export) {
            let path = self.sandbox.path("exported.tar");
            return result::of_tar(fs::File::open(path).unwrap());
        }
        let directory = self.sandbox.path(format!("result-{}", row.name));
        let path = directory.display().to_string();
        self.run(&[
            "pull".to_owned(),
            "--format=oci".to_owned(),
            self.argument("@out"),
            path,
        ]);
        let layout = Layout::open(&directory).await.unwrap();
        let [image] = &layout.images().await.unwrap()[..] else {
            panic!("{}: not one image", row.name);
        };
        let manifest = layout
            .manifest(&image.descriptor().digest().into())
            .await
            .unwrap();
        let mut result = result::of_image(&layout, &manifest).await;
        self.normalize(&mut result);
        result
    }

    /// Puts fixed texts for the address of the registry and for the present time.
    fn normalize(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                *text = text.replace(&self.registry.name(), REGISTRY);
                if text.starts_with("20") && !text.starts_with("2024-02-29") {
                    "now".clone_into(text);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.normalize(value)),
            Value::Object(members) => members.values_mut().for_each(|value| self.normalize(value)),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crane_gives_what_is_recorded() {
    if !optional_peers_present(&["crane", "docker-registry"]) {
        return;
    }
    let images = Images::make().await;
    let crane = Crane::start(&images).await;
    let version = crane.run(&["version".to_owned()]).trim().to_owned();
    let mut text = format!("{}\n", json!({ "crane": version }));
    let update = env::var_os("WHARF_UPDATE_GOLDEN").is_some();
    let lines = if update { Vec::new() } else { recorded().1 };
    for (number, row) in ROWS.iter().enumerate() {
        let result = crane.result(row).await;
        if update {
            let line = json!({ "name": row.name, "crane": row.crane, "result": result });
            writeln!(text, "{line}").unwrap();
        } else {
            assert_eq!(result, lines[number]["result"], "{}, crane {version}", row.name);
        }
    }
    if update {
        fs::write(recorded_file(), text).unwrap();
    }
}
