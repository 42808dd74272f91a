//! The members that documents of each format have, and their order: that of the encoders of Docker's and OCI's
//! own types.

use wharf_reference::Digest;

use crate::{
    Format, Loss,
    json::{Json, Object},
    loss::Part,
};

const OCI_MANIFEST: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "subject",
    "annotations",
];
const DOCKER_MANIFEST: &[&str] = &["schemaVersion", "mediaType", "config", "layers"];
const OCI_INDEX: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "manifests",
    "subject",
    "annotations",
];
const DOCKER_INDEX: &[&str] = &["schemaVersion", "mediaType", "manifests"];
const OCI_DESCRIPTOR: &[&str] = &[
    "mediaType",
    "digest",
    "size",
    "urls",
    "annotations",
    "data",
    "platform",
    "artifactType",
];
const DOCKER_DESCRIPTOR: &[&str] = &["mediaType", "size", "digest", "urls", "platform"];
const OCI_PLATFORM: &[&str] = &["architecture", "os", "os.version", "os.features", "variant"];
const DOCKER_PLATFORM: &[&str] = &[
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "features",
];

/// Puts documents into the shape of a format, and lists what is lost.
pub(super) struct Shape<'a> {
    pub(super) format: Format,
    /// Members that the other format does not have are lost even if this format has them, as by Skopeo.
    pub(super) strict: bool,
    pub(super) manifest: &'a Digest,
    pub(super) losses: &'a mut Vec<Loss>,
}

impl Shape<'_> {
    /// A manifest or index, whose descriptors get the shape too.
    pub(super) fn document(&mut self, document: Object, is_index: bool) -> Object {
        let (oci, docker) = if is_index {
            (OCI_INDEX, DOCKER_INDEX)
        } else {
            (OCI_MANIFEST, DOCKER_MANIFEST)
        };
        let mut shaped = self.members(document, oci, docker, Part::Manifest, "");
        if let Some(Json::Object(config)) = shaped.get_mut("config") {
            *config = self.descriptor(std::mem::take(config), Part::Config);
        }
        for (key, part) in [
            ("layers", Part::Layer as fn(usize) -> Part),
            ("manifests", Part::Entry),
        ] {
            let items = shaped.get_mut(key).and_then(Json::as_list_mut);
            for (number, item) in items.into_iter().flatten().enumerate() {
                if let Json::Object(descriptor) = item {
                    *descriptor = self.descriptor(std::mem::take(descriptor), part(number + 1));
                }
            }
        }
        if let Some(Json::Object(annotations)) = shaped.get_mut("annotations") {
            annotations.sort();
        }
        shaped
    }

    fn descriptor(&mut self, descriptor: Object, part: Part) -> Object {
        let mut shaped = self.members(descriptor, OCI_DESCRIPTOR, DOCKER_DESCRIPTOR, part, "");
        if let Some(Json::Object(annotations)) = shaped.get_mut("annotations") {
            annotations.sort();
        }
        if let Some(Json::Object(platform)) = shaped.get_mut("platform") {
            let members = std::mem::take(platform);
            *platform = self.members(members, OCI_PLATFORM, DOCKER_PLATFORM, part, "platform.");
        }
        shaped
    }

    /// The members that the format has, in its order. Those that are null or empty are left out.
    fn members(
        &mut self,
        mut object: Object,
        oci: &[&str],
        docker: &[&str],
        part: Part,
        prefix: &str,
    ) -> Object {
        let (order, other) = match self.format {
            Format::Oci => (oci, docker),
            Format::Docker => (docker, oci),
        };
        let mut shaped = Object::default();
        for key in order.iter().filter(|key| !self.strict || other.contains(key)) {
            let required = matches!(*key, "layers" | "manifests");
            if let Some(value) = object
                .get_mut(key)
                .map(|value| std::mem::replace(value, Json::null()))
            {
                if !is_unset(&value) {
                    shaped.set(key, value.normalized());
                } else if required {
                    shaped.set(key, Json::List(Vec::new()));
                }
            }
        }
        for (key, value) in object.iter().filter(|(_, value)| !is_unset(value)) {
            match value {
                Json::Object(annotations) if key == "annotations" => {
                    for (name, _) in annotations.iter() {
                        let member = format!("{prefix}annotations.{name}");
                        self.losses.push(Loss::new(self.manifest, part, member));
                    }
                }
                _ => self
                    .losses
                    .push(Loss::new(self.manifest, part, format!("{prefix}{key}"))),
            }
        }
        shaped
    }
}

/// True for a value that Go's encoder leaves out.
fn is_unset(value: &Json) -> bool {
    match value {
        Json::Scalar(text) => matches!(&**text, "null" | "\"\""),
        Json::List(items) => items.is_empty(),
        Json::Object(object) => object.is_empty(),
    }
}
