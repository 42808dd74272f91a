//! The files and annotations of an artifact, as ORAS takes them.

use std::path::PathBuf;

use clap::Args;
use wharf::{
    MediaType,
    artifact::{Artifact, ArtifactContent},
};

/// The types that ORAS states where the user states none.
const UNKNOWN_ARTIFACT: &str = "application/vnd.unknown.artifact.v1";
const UNKNOWN_CONFIG: &str = "application/vnd.unknown.config.v1+json";

#[derive(Args)]
pub(crate) struct Contents {
    /// Files and directories, whose paths become their titles; a TYPE is a media type, by default application/vnd.oci.image.layer.v1.tar
    #[arg(value_name = "FILE[:TYPE]", value_parser = typed_file)]
    files: Vec<TypedFile>,
    /// Give the files no titles, as those of Helm charts and WASM components have none
    #[arg(long)]
    no_titles: bool,
    /// Annotations of the artifact; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = annotation)]
    annotation: Vec<Annotation>,
}

/// A file and its media type.
#[derive(Clone)]
pub(crate) struct TypedFile {
    pub(crate) path: PathBuf,
    pub(crate) media_type: Option<MediaType>,
}

#[derive(Clone)]
pub(crate) struct Annotation {
    key: String,
    value: String,
}

impl Contents {
    pub(crate) fn add_to(self, mut artifact: Artifact) -> Artifact {
        for TypedFile { path, media_type } in self.files {
            let title = path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
            let content = match media_type {
                None if path.is_dir() => ArtifactContent::directory(path),
                media_type => ArtifactContent::file(path, media_type.unwrap_or(MediaType::OCI_LAYER)),
            };
            artifact = artifact.with_content(if self.no_titles {
                content.without_title()
            } else {
                content.with_title(title.trim_start_matches("./"))
            });
        }
        for Annotation { key, value } in self.annotation {
            artifact = artifact.with_annotation(key, value);
        }
        artifact
    }
}

pub(crate) fn unknown_artifact() -> MediaType {
    MediaType::from_document(UNKNOWN_ARTIFACT)
}

pub(crate) fn unknown_config() -> MediaType {
    MediaType::from_document(UNKNOWN_CONFIG)
}

pub(crate) fn media_type(text: &str) -> Result<MediaType, String> {
    MediaType::parse(text).map_err(|error| error.to_string())
}

/// Reads `FILE[:TYPE]`: a type follows the last colon.
pub(crate) fn typed_file(text: &str) -> Result<TypedFile, String> {
    let (path, media_type) = match text.rsplit_once(':') {
        Some((path, kind)) if !path.is_empty() => (path, Some(media_type(kind)?)),
        _ => (text, None),
    };
    Ok(TypedFile {
        path: path.into(),
        media_type,
    })
}

fn annotation(text: &str) -> Result<Annotation, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok(Annotation {
            key: key.to_owned(),
            value: value.to_owned(),
        }),
        _ => Err("use KEY=VALUE".to_owned()),
    }
}
