//! Writes the members of an archive, one at a time.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::OwnedMutexGuard;
use wharf_content::{Error, ErrorKind};
use wharf_layer::tar::{self, Member};
use wharf_reference::Digest;

use super::{
    documents::Content,
    file::NewFile,
    ingest::padding,
    legacy::{self, Entry, Legacy},
    options::{WriterForm, WriterOptions},
    report::WrittenArchive,
};
use crate::{
    error::{At as _, in_archive},
    output::{Destination, Output},
    runtime::blocking,
    stream::next,
    tar::{docker, names::blob_name, oci},
};

/// Held by the one call that writes, until its members are ended or cut off. The calls that change the list of members
/// take it, so that none is made after it is given back. Shared with the writes that run in the background.
pub(super) type Exclusive = Arc<OwnedMutexGuard<()>>;

/// An archive that is being written.
pub(super) struct Inner {
    /// For messages, and the location.
    pub(super) path: Arc<Path>,
    pub(super) destination: Destination,
    /// `None` for a stream.
    new_file: Option<NewFile>,
    pub(super) options: WriterOptions,
    exclusive: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
}

pub(super) struct State {
    /// `None` after the end.
    tar: Option<tar::Writer>,
    pub(super) content: Content,
    /// The content of an archive of Docker's old form.
    pub(super) legacy: Legacy,
    /// Why nothing more can be written.
    failure: Option<String>,
}

impl Inner {
    /// Writes what stands before the images.
    pub(super) fn begin(
        path: &Path,
        destination: Destination,
        new_file: Option<NewFile>,
        options: WriterOptions,
    ) -> Result<Self, Error> {
        let inner = Self {
            path: path.into(),
            destination,
            new_file,
            options,
            exclusive: Arc::default(),
            state: Mutex::new(State {
                tar: Some(tar::Writer::new()),
                content: Content::default(),
                legacy: Legacy::default(),
                failure: None,
            }),
        };
        if inner.is_legacy() {
            return Ok(inner);
        }
        let exclusive = Arc::new(Arc::clone(&inner.exclusive).blocking_lock_owned());
        inner.write_members(&exclusive, |inner, tar| {
            let mut bytes = inner.document(tar, oci::LAYOUT, oci::LAYOUT_TEXT.as_bytes())?;
            for directory in ["blobs", "blobs/sha256"] {
                let member = Member::directory(directory)?.with_modified(inner.options.time());
                bytes.extend_from_slice(&tar.member(&member)?);
                bytes.extend_from_slice(tar.end_member()?);
            }
            Ok(bytes)
        })?;
        Ok(inner)
    }

    pub(super) async fn lock(&self) -> Exclusive {
        Arc::new(Arc::clone(&self.exclusive).lock_owned().await)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, if more can be written.
    pub(super) fn open_state(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.state();
        if let Some(failure) = &state.failure {
            let message = format!(
                "nothing more can be written to {}: {failure}",
                self.path.display()
            );
            return Err(Error::new(ErrorKind::Storage, message));
        }
        if state.tar.is_none() {
            let message = format!(
                "nothing more can be written to {}: it is finished",
                self.path.display()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(state)
    }

    /// Calls the writer of the archive.
    pub(super) fn with_tar<T>(
        &self,
        _: &Exclusive,
        call: impl FnOnce(&mut tar::Writer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut state = self.state();
        let tar = state.tar.as_mut();
        let tar = tar.ok_or_else(|| Error::new(ErrorKind::Unsupported, "the archive is finished"))?;
        call(tar).map_err(|cause| in_archive(&self.path, &cause))
    }

    pub(super) const fn is_stream(&self) -> bool {
        self.new_file.is_none()
    }

    pub(super) const fn is_legacy(&self) -> bool {
        matches!(self.options.form(), WriterForm::DockerLegacy)
    }

    /// The member of a blob; in Docker's old form, that of a layer's tar.
    pub(super) fn name_of(&self, digest: &Digest) -> String {
        if self.is_legacy() {
            legacy::layer_name(digest)
        } else {
            blob_name(digest)
        }
    }

    pub(super) fn file(&self, name: &str, size: u64) -> Result<Member, Error> {
        let member = Member::file(name, size)?;
        Ok(member.with_mode(0o444).with_modified(self.options.time()))
    }

    /// The bytes of a member with this content.
    fn document(&self, tar: &mut tar::Writer, name: &str, content: &[u8]) -> Result<Vec<u8>, Error> {
        let mut bytes = tar.member(&self.file(name, content.len() as u64)?)?;
        tar.content(content.len())?;
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(tar.end_member()?);
        Ok(bytes)
    }

    /// Writes small members. After a failure nothing more can be written to a stream; of a file they are cut off
    /// again.
    fn write_members(
        &self,
        exclusive: &Exclusive,
        members: impl FnOnce(&Self, &mut tar::Writer) -> Result<Vec<u8>, Error>,
    ) -> Result<(), Error> {
        let offset = self.with_tar(exclusive, |tar| Ok(tar.drop_member()))?;
        let made = self.with_tar(exclusive, |tar| members(self, tar));
        let written = made.and_then(|bytes| {
            let written = self.destination.write(&[bytes.into()], offset);
            written.at("write", &self.path)
        });
        if let Err(failure) = &written {
            self.cut_off(exclusive, offset, failure);
        }
        written
    }

    /// Writes the members of an image in Docker's old form.
    pub(super) async fn write_entries(self: &Arc<Self>, entries: Vec<Entry>) -> Result<(), Error> {
        let exclusive = self.lock().await;
        let inner = Arc::clone(self);
        blocking(move || {
            drop(inner.open_state()?);
            inner.write_members(&exclusive, |inner, tar| {
                let mut bytes = Vec::new();
                for entry in &entries {
                    let (member, content) = legacy::member(entry)?;
                    bytes.extend(tar.member(&member.with_modified(inner.options.time()))?);
                    tar.content(content.len())?;
                    bytes.extend_from_slice(&content);
                    bytes.extend_from_slice(tar.end_member()?);
                }
                Ok(bytes)
            })
        })
        .await
    }

    /// Writes a blob or manifest of known digest.
    pub(super) async fn append(
        self: &Arc<Self>,
        digest: &Digest,
        size: u64,
        mut bytes: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    ) -> Result<(), Error> {
        let exclusive = self.lock().await;
        if self.open_state()?.content.blobs.contains_key(digest) {
            return Ok(());
        }
        let (offset, header) = self.with_tar(&exclusive, |tar| {
            let offset = tar.drop_member();
            Ok((offset, tar.member(&self.file(&self.name_of(digest), size)?)?))
        })?;
        let place = (offset + header.len() as u64, size);
        self.poison("a push was given up");
        let (destination, path) = (self.destination.clone(), Arc::clone(&self.path));
        let mut output = Output::new(destination, path, offset, Arc::clone(&exclusive));
        let written = async {
            output.write(header).await?;
            while let Some(chunk) = next(&mut bytes).await {
                let chunk = chunk?;
                self.with_tar(&exclusive, |tar| tar.content(chunk.len()))?;
                output.write(chunk).await?;
            }
            output.write(padding(size)).await?;
            output.finish().await?;
            self.with_tar(&exclusive, |tar| tar.end_member().map(drop))
        };
        let written = written.await;
        match &written {
            Ok(()) => {
                let mut state = self.state();
                state.failure = None;
                state.content.blobs.insert(digest.clone(), place);
            }
            Err(failure) => self.cut_off(&exclusive, offset, failure),
        }
        written
    }

    /// Drops the members from an offset on, after a failure to write them.
    pub(super) fn cut_off(&self, _: &Exclusive, offset: u64, failure: &Error) {
        self.poison(&text_of(failure));
        if let Some(tar) = &mut self.state().tar {
            tar.truncate(offset);
        }
    }

    /// Notes that a stream ends in the middle of a member, until it is known that it does not, or that the bytes
    /// of a file are lost.
    fn poison(&self, cause: &str) {
        if self.new_file.as_ref().is_none_or(NewFile::is_lost) {
            self.state().failure = Some(cause.to_owned());
        }
    }

    /// Writes the lists of images and the end.
    pub(super) async fn finish(self: &Arc<Self>) -> Result<WrittenArchive, Error> {
        let exclusive = self.lock().await;
        let inner = Arc::clone(self);
        blocking(move || inner.finish_blocking(&exclusive)).await
    }

    fn finish_blocking(&self, exclusive: &Exclusive) -> Result<WrittenArchive, Error> {
        let (index, docker) = {
            let state = self.open_state()?;
            let index = || state.content.index().map(Some);
            match self.options.form() {
                WriterForm::Hybrid => (index()?, Some(state.content.docker(self.options.platform())?)),
                WriterForm::Oci => (index()?, None),
                WriterForm::DockerLegacy => (None, Some(state.legacy.documents(&state.content)?)),
            }
        };
        let images_end = self.with_tar(exclusive, |tar| Ok(tar.drop_member()))?;
        self.write_members(exclusive, |inner, tar| {
            let mut bytes = Vec::new();
            if let Some(index) = &index {
                bytes.extend(inner.document(tar, oci::INDEX, index)?);
            }
            if let Some(docker) = &docker {
                bytes.extend(inner.document(tar, docker::MANIFEST, &docker.manifest)?);
                bytes.extend(inner.document(tar, "repositories", &docker.repositories)?);
            }
            Ok(bytes)
        })?;
        let (offset, end) = self.with_tar(exclusive, |tar| Ok((tar.position(), tar.finish()?)))?;
        let ended = self.end(offset, end);
        // What has its final name is not written to again.
        if ended.is_ok() || self.new_file.as_ref().is_some_and(NewFile::is_named) {
            self.state().tar = None;
        }
        if let Err(failure) = ended {
            self.cut_off(exclusive, images_end, &failure);
            return Err(failure);
        }
        let state = self.state();
        Ok(WrittenArchive {
            size: offset + end.len() as u64,
            oci_only: docker.map(|docker| docker.oci_only).unwrap_or_default(),
            has_zstd: !self.is_legacy() && state.content.has_zstd(),
        })
    }

    fn end(&self, offset: u64, end: &'static [u8]) -> Result<(), Error> {
        let written = self.destination.write(&[Bytes::from_static(end)], offset);
        written.at("write", &self.path)?;
        match &self.new_file {
            Some(new_file) => new_file.commit(offset + end.len() as u64),
            None => self.destination.flush().at("write", &self.path),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(new_file) = &self.new_file {
            new_file.discard();
        }
    }
}

/// A failure and its causes, as one line.
fn text_of(failure: &Error) -> String {
    let mut text = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
