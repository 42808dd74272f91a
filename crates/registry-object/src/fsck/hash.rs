//! Contents that are read and hashed.

use futures_util::TryStreamExt as _;
use wharf_content::{Error, ErrorKind, Hasher};

use super::{Check, FsckFinding, named::Content};
use crate::{content::pieces, records::row::column};

const BYTES: &str = "SELECT bytes FROM contents WHERE id = $1";

impl Check<'_> {
    /// Hashes some of these contents.
    pub(super) async fn hash(&mut self, contents: &[Content]) -> Result<(), Error> {
        let Some(one_in) = self.options.hash_one_in else {
            return Ok(());
        };
        for content in contents {
            let number = content.id.unsigned_abs().wrapping_add(self.offset);
            if number % u64::from(one_in.get()) == 0 {
                self.hash_content(content).await?;
            }
        }
        Ok(())
    }

    async fn hash_content(&mut self, content: &Content) -> Result<(), Error> {
        let mut hasher = Hasher::new(content.digest.algorithm())?;
        match &content.pieces {
            None => {
                let rows = self.rows(BYTES, [content.id.into()]).await?;
                let Some(row) = rows.first() else {
                    return Ok(()); // removed meanwhile
                };
                match column::<Option<&[u8]>>(row, 0)? {
                    Some(bytes) => hasher.update(bytes),
                    None => return Ok(()),
                }
            }
            Some(pieces) => {
                let whole = pieces.within(0..pieces.size());
                let mut stream = pieces::read(self.backend.objects().clone(), whole);
                loop {
                    match stream.try_next().await {
                        Ok(Some(chunk)) => hasher.update(&chunk),
                        Ok(None) => break,
                        // The comparison with the listing tells of an object that is gone or has another size.
                        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {
                            return Ok(());
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        self.report.hashed += 1;
        let found = hasher.finish()?;
        if found == content.digest {
            return Ok(());
        }
        self.tell(FsckFinding::DamagedContent {
            digest: content.digest.to_string(),
            found: found.to_string(),
        });
        if self.options.repair {
            self.backend.quarantine_content(content.id).await?;
        }
        Ok(())
    }
}
