//! Whether an image that was changed is still the same.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use wharf_layer::{Codec, Decoder, Limits};
use wharf_reference::Digest;

/// The form of an image on a disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// Skopeo's `dir:`.
    Directory,
    /// An OCI image layout.
    Layout,
    /// A tar as Docker saves it.
    DockerArchive,
}

impl Form {
    /// The image there, as the programs are told it.
    pub fn location(self, path: &Path, name: &str) -> String {
        let path = path.display();
        match self {
            Self::Directory => format!("dir:{path}"),
            Self::Layout => format!("oci:{path}:{name}"),
            Self::DockerArchive => format!("docker-archive:{path}:compare/{name}:latest"),
        }
    }
}

/// The parts of an image on a disk that have to do with its layers.
pub struct Made {
    /// The digests of the unpacked layers, by the config.
    pub diff_ids: Vec<String>,
    layers: Vec<PathBuf>,
}

impl Made {
    /// Reads the documents of the only image there; an archive is unpacked below `scratch`.
    pub fn read(form: Form, path: &Path, scratch: &Path) -> anyhow::Result<Self> {
        if form == Form::DockerArchive {
            return Self::archive(path, &scratch.join("unpacked"));
        }
        let blob = |digest: &Value| {
            let encoded = digest.as_str().and_then(|digest| digest.split(':').nth(1));
            let encoded = encoded.context("a digest is missing")?;
            Ok::<_, anyhow::Error>(match form {
                Form::Layout => path.join("blobs/sha256").join(encoded),
                _ => path.join(encoded),
            })
        };
        let manifest = match form {
            Form::Layout => {
                let index = document(&path.join("index.json"))?;
                document(&blob(&index["manifests"][0]["digest"])?)?
            }
            _ => document(&path.join("manifest.json"))?,
        };
        let layers = manifest["layers"].as_array().context("there are no layers")?;
        Ok(Self {
            diff_ids: diff_ids(&blob(&manifest["config"]["digest"])?)?,
            layers: layers
                .iter()
                .map(|layer| blob(&layer["digest"]))
                .collect::<Result<_, _>>()?,
        })
    }

    fn archive(path: &Path, directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir(directory)?;
        let mut tar = Command::new("tar");
        tar.arg("--extract")
            .arg("--file")
            .arg(path)
            .arg("--directory")
            .arg(directory);
        ensure!(tar.status()?.success(), "{tar:?} failed");
        let list = document(&directory.join("manifest.json"))?;
        let at = |name: &Value| {
            let name = name.as_str().context("a name is missing in manifest.json")?;
            Ok::<_, anyhow::Error>(directory.join(name))
        };
        let layers = list[0]["Layers"].as_array().context("there are no layers")?;
        Ok(Self {
            diff_ids: diff_ids(&at(&list[0]["Config"])?)?,
            layers: layers.iter().map(at).collect::<Result<_, _>>()?,
        })
    }

    /// Unpacks every layer: they must have these digests, and be compressed so; an empty codec is any.
    pub fn verify(&self, diff_ids: &[String], codec: &str) -> anyhow::Result<()> {
        ensure!(self.diff_ids == diff_ids, "the config states other digests");
        ensure!(
            self.layers.len() == diff_ids.len(),
            "there are more or fewer layers"
        );
        for (layer, diff_id) in self.layers.iter().zip(diff_ids) {
            let found = unpack(layer, diff_id).with_context(|| layer.display().to_string())?;
            let found = match found {
                Codec::Plain => "tar",
                Codec::Gzip => "gzip",
                Codec::Zstd => "zstd",
                other => bail!("compressed with {other}"),
            };
            ensure!(
                codec.is_empty() || found == codec,
                "a layer is {found}, not {codec}"
            );
        }
        Ok(())
    }

    /// The bytes of all layers.
    pub fn size(&self) -> anyhow::Result<u64> {
        let mut size = 0;
        for layer in &self.layers {
            size += fs::metadata(layer)?.len();
        }
        Ok(size)
    }
}

fn document(path: &Path) -> anyhow::Result<Value> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn diff_ids(config: &Path) -> anyhow::Result<Vec<String>> {
    Ok(serde_json::from_value(
        document(config)?["rootfs"]["diff_ids"].take(),
    )?)
}

/// Unpacks a layer, which must have this digest then.
fn unpack(layer: &Path, diff_id: &str) -> anyhow::Result<Codec> {
    let mut decoder = Decoder::by_magic(Limits::default()).with_diff_id(Digest::parse(diff_id)?)?;
    let mut file = fs::File::open(layer)?;
    let (mut read, mut unpacked) = (vec![0; 256 * 1024], vec![0; 256 * 1024]);
    loop {
        let count = file.read(&mut read)?;
        if count == 0 {
            return Ok(decoder.finish()?.codec);
        }
        let mut bytes = &read[..count];
        while decoder.decode(&mut bytes, &mut unpacked)? > 0 {}
    }
}
