//! Key files: the one place where this crate reads files.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use wharf_config::KeySource;

use crate::openpgp::{KeyFile, MAX_FILE};

/// The key files of one judgement: each is read once, however many requirements and signatures need it.
#[derive(Debug, Default)]
pub(crate) struct KeyFiles {
    read: RefCell<BTreeMap<PathBuf, Result<Bytes, String>>>,
}

impl KeyFiles {
    /// The files of a source. One that cannot be read is an error, whatever the others hold.
    pub(crate) fn load(&self, source: &KeySource) -> Result<Vec<KeyFile>, String> {
        match source {
            KeySource::Data(contents) => {
                let file = |content: &Vec<u8>| KeyFile::new("the inline data", content.clone());
                Ok(contents.iter().map(file).collect())
            }
            other => other.files().iter().map(|path| self.file(path)).collect(),
        }
    }

    fn file(&self, path: &Path) -> Result<KeyFile, String> {
        let mut known = self.read.borrow_mut();
        let content = known.entry(path.to_owned()).or_insert_with(|| read(path));
        let name = path.display().to_string();
        match content {
            Ok(content) => Ok(KeyFile::new(name, content.clone())),
            Err(why) => Err(format!("the key file {name} cannot be read: {why}")),
        }
    }
}

fn read(path: &Path) -> Result<Bytes, String> {
    if !path.is_absolute() {
        return Err("its path depends on the working directory; write an absolute one".to_owned());
    }
    let failed = |error: io::Error| error.to_string();
    // Before it is opened, which waits for a writer if it is a pipe; and after, as it may have been replaced.
    is_regular(&fs::metadata(path).map_err(failed)?)?;
    let file = File::open(path).map_err(failed)?;
    is_regular(&file.metadata().map_err(failed)?)?;
    let mut content = Vec::new();
    let most = MAX_FILE as u64;
    file.take(most + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() > MAX_FILE {
        return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
    }
    Ok(content.into())
}

fn is_regular(metadata: &fs::Metadata) -> Result<(), String> {
    if metadata.is_file() {
        Ok(())
    } else {
        Err("it is not a regular file".to_owned())
    }
}
