//! A layer whose members are edited as it is read.

use std::{
    fmt,
    io::{self, Read as _, Write},
    sync::Arc,
};

use tokio::{runtime::Handle, task::spawn_blocking};
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_layer::{
    Limits,
    tar::{self, DroppedNames, Edited, Editor, Member, MemberEdit},
};

use super::{Counted, Tar, Unpacked, written};

/// The size in bytes of what is read at a time.
const PIECE: usize = 256 << 10;

/// The function that decides about each member.
#[derive(Clone)]
pub(crate) struct Decide(Arc<dyn Fn(&Member) -> MemberEdit + Send + Sync>);

impl Decide {
    pub(crate) fn new(decide: impl Fn(&Member) -> MemberEdit + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }
}

impl fmt::Debug for Decide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decide")
    }
}

/// The tar of a layer, edited.
#[derive(Clone)]
pub(crate) struct EditedTar {
    tar: Tar,
    decide: Decide,
    /// The names that were dropped from the layers below, if the layer cannot be read for them first.
    dropped: DroppedNames,
    limits: Limits,
}

impl EditedTar {
    pub(crate) fn new(tar: Tar, decide: Decide, limits: Limits) -> Self {
        Self {
            tar,
            decide,
            dropped: DroppedNames::default(),
            limits,
        }
    }

    pub(crate) fn with_dropped(mut self, dropped: DroppedNames) -> Self {
        self.dropped = dropped;
        self
    }

    pub(crate) fn can_reopen(&self) -> bool {
        self.tar.can_reopen()
    }

    /// The edited tar, written on a blocking thread.
    pub(crate) fn open(&self) -> ByteStream {
        let edited = self.clone();
        written(move |out| {
            let dropped = edited.dropped.clone();
            edited.write(&Handle::current(), out, dropped, None).map(|_| ())
        })
    }

    /// Reads the layer for what an edit changes. `dropped` are the names that the layers below do not have any more; those
    /// that this one drops are returned with them.
    pub(crate) async fn examine(
        &self,
        dropped: DroppedNames,
        unpacked: Arc<Unpacked>,
    ) -> Result<(Edited, DroppedNames), Error> {
        let edited = self.clone();
        let examined =
            spawn_blocking(move || edited.write(&Handle::current(), io::sink(), dropped, Some(&unpacked)));
        examined
            .await
            .map_err(|error| Error::wrap(ErrorKind::Other, error))?
    }

    fn write(
        &self,
        runtime: &Handle,
        mut out: impl Write,
        dropped: DroppedNames,
        unpacked: Option<&Unpacked>,
    ) -> Result<(Edited, DroppedNames), Error> {
        let own = Unpacked::new(u64::MAX);
        let mut tar = Counted {
            tar: self.tar.read(runtime, &self.limits)?,
            unpacked: unpacked.unwrap_or(&own),
        };
        let decide = |member: &Member| (self.decide.0)(member);
        let mut editor = Editor::new(tar::Limits::default(), decide).with_dropped(dropped);
        let (mut piece, mut edited) = (vec![0; PIECE], Vec::with_capacity(PIECE));
        loop {
            let count = match tar.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(of_io(error)),
            };
            editor.edit(piece.get(..count).unwrap_or_default(), &mut edited)?;
            out.write_all(&edited).map_err(of_io)?;
            edited.clear();
        }
        let totals = editor.finish_layer(&mut edited)?;
        out.write_all(&edited).map_err(of_io)?;
        Ok(totals)
    }
}

fn of_io(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::wrap(ErrorKind::Storage, error),
    }
}
