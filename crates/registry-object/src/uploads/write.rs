//! Writes. The row of an object comes before its first byte, and the offset moves when its last byte is durable.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher};
use wharf_reference::Algorithm;
use wharf_registry::{Incoming, Written};

use super::{
    missing,
    renewal::Renewal,
    row::{STATE, State},
    segment::{Segment, next},
};
use crate::{
    ObjectBackend,
    database::{Statement, Value},
    objects::Objects,
    records::row::{bytes, column, size},
};

static LOOK_UP: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {STATE}, cardinality(objects) FROM uploads WHERE id = $1"));

/// The most objects of an upload, which are as many requests of everybody who reads the blob. Parts of 5 MiB make 48 GiB.
const MAX_OBJECTS: u32 = 10_000;

const PEND: &str = "INSERT INTO pending (object) VALUES ($1) ON CONFLICT DO NOTHING";

/// Moves the end of an upload over an object that has not been swept, if the end is still where the writer has found it.
const MOVE: &str = "WITH mine AS (SELECT object FROM pending WHERE object = $3 AND upload IS NULL FOR UPDATE),
     moved AS (UPDATE uploads SET length = length + $4, hash_algorithm = $5, hash_state = $6, used = now(),
         objects = objects || mine.object, sizes = sizes || $4 FROM mine WHERE id = $1 AND length = $2 RETURNING id)
     UPDATE pending SET upload = moved.id FROM moved WHERE object = $3 RETURNING 1";
/// Where an upload ends, and whether it has an object: the move was made by an attempt whose answer was lost.
const FIND: &str = "SELECT length, $2 = ANY (objects) FROM uploads WHERE id = $1";

const DOOM: &str = "WITH gone AS (DELETE FROM pending WHERE object = $1 AND upload IS NULL RETURNING object)
     INSERT INTO doomed (object) SELECT object FROM gone";

/// The end of an upload that is being written to.
struct End {
    offset: u64,
    hasher: Option<Hasher>,
}

/// The reason why a stream is not read on.
enum Stop {
    End,
    Failure(Error),
    /// The object is large enough.
    Full,
}

impl ObjectBackend {
    pub(super) async fn write_upload(
        &self,
        id: &str,
        offset: u64,
        incoming: Incoming,
    ) -> Result<Written, Error> {
        let state = Statement::new("look an upload up", &LOOK_UP, [Value::text(id)]);
        let rows = state.run(&**self.database()).await?;
        let row = rows.first().ok_or_else(missing)?;
        if column::<i32>(row, 6)?.unsigned_abs() >= MAX_OBJECTS {
            let message = format!("an upload cannot have more than {MAX_OBJECTS} parts: send larger ones");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let state = State::of(row)?;
        if state.length != offset {
            return Err(moved_away(state.length, offset));
        }
        let hasher = match incoming.algorithm {
            Some(algorithm) if offset == 0 => Some(Hasher::resumable(algorithm)?),
            _ => state.hasher,
        };
        let received = incoming.received;
        let _writing = state
            .session
            .map(|session| self.writers().begin(id, session, received));
        let mut end = End { offset, hasher };
        let failure = self.write_stream(id, &mut end, incoming.bytes).await?;
        Ok(Written::new(end.offset, end.hasher).with_failure(failure))
    }

    /// Writes a stream to objects, one after the other, and moves the end over each. Returns the failure that ended it.
    async fn write_stream(
        &self,
        id: &str,
        end: &mut End,
        mut stream: ByteStream,
    ) -> Result<Option<Error>, Error> {
        loop {
            let first = match next(&mut stream).await {
                None => return Ok(None),
                Some(Err(failure)) => return Ok(Some(failure)),
                Some(Ok(first)) => first,
            };
            let object = Objects::new_name()?;
            let pend = Statement::new("record an object", PEND, [Value::text(&object)]);
            self.database().transact(&[pend]).await?;
            let renewal = Renewal::begin(Arc::clone(self.database()), id, &object);
            let mut segment = Segment::new(self.objects(), &object, end.hasher.clone());
            let stop = receive(&mut segment, first, &mut stream, self.options().segment).await;
            let length = segment.length();
            let completed = match stop {
                Ok(stop) => segment.complete().await.map(|hasher| (stop, hasher)),
                Err(failure) => {
                    segment.abort().await;
                    Err(failure)
                }
            };
            // A bucket that was emptied or replaced takes bytes, too.
            let kept = match completed {
                Ok(completed) => self.objects().check_lately().await.map(|()| completed),
                Err(failure) => Err(failure),
            };
            let (stop, hasher) = match kept {
                Ok(completed) => completed,
                Err(failure) => {
                    self.doom(&object).await;
                    return Ok(Some(failure));
                }
            };
            let moved = self
                .move_end(id, end.offset, length, &object, hasher.as_ref())
                .await;
            drop(renewal);
            if let Err(failure) = moved {
                self.doom(&object).await;
                return Err(failure);
            }
            end.offset = end.offset.saturating_add(length);
            end.hasher = hasher;
            match stop {
                Stop::End => return Ok(None),
                Stop::Failure(failure) => return Ok(Some(failure)),
                Stop::Full => {}
            }
        }
    }

    async fn move_end(
        &self,
        id: &str,
        offset: u64,
        length: u64,
        object: &str,
        hasher: Option<&Hasher>,
    ) -> Result<(), Error> {
        let state = hasher.and_then(|hasher| Some((hasher.algorithm(), hasher.save()?)));
        let (algorithm, state) = state.unzip();
        let values = [
            Value::text(id),
            size(offset)?.into(),
            Value::text(object),
            size(length)?.into(),
            Value::Text(algorithm.and_then(Algorithm::name).map(str::to_owned)),
            Value::Bytes(state),
        ];
        let moving = Statement::new("move the end of an upload", MOVE, values);
        let values = [Value::text(id), Value::text(object)];
        let find = Statement::new("look an upload up", FIND, values);
        let rows = self.database().transact(&[moving, find]).await?;
        let found = rows.last().and_then(|rows| rows.first()).ok_or_else(missing)?;
        if column(found, 1)? {
            return Ok(());
        }
        let length = bytes(column(found, 0)?)?;
        if length == offset {
            let message =
                "the bytes were on their way for so long that they have been given up: send them again";
            return Err(Error::new(ErrorKind::Timeout, message));
        }
        Err(moved_away(length, offset))
    }

    /// Dooms an object that belongs to nothing. If that fails, it is swept after a day.
    async fn doom(&self, object: &str) {
        let doom = Statement::new("give an object up", DOOM, [Value::text(object)]);
        let _ = self.database().transact(&[doom]).await;
    }
}

/// Reads a stream into an object, to the stream's end or until the object is large enough.
async fn receive(
    segment: &mut Segment<'_>,
    first: Bytes,
    stream: &mut ByteStream,
    most: u64,
) -> Result<Stop, Error> {
    let mut chunk = first;
    loop {
        segment.push(chunk).await?;
        if segment.length() >= most {
            return Ok(Stop::Full);
        }
        match next(stream).await {
            None => return Ok(Stop::End),
            Some(Err(failure)) => return Ok(Stop::Failure(failure)),
            Some(Ok(next)) => chunk = next,
        }
    }
}

fn moved_away(length: u64, offset: u64) -> Error {
    let message = format!("the upload has {length} bytes, not {offset}");
    Error::new(ErrorKind::Conflict, message)
}
