//! The objects of the store, against the rows that name them.
//!
//! In each pass a part of the names is listed into memory, then all rows are read. A row that came after the listing
//! is looked up in the store; an object whose row has changed in between is looked up in the database.

use std::{collections::HashMap, ops::Range};

use futures_util::TryStreamExt as _;
use wharf_content::Error;

use super::{
    Check, FsckFinding,
    named::{Owner, OwnerKey},
};
use crate::{
    content::pieces::Location,
    database::{Statement, Value},
    objects::Objects,
    records::row::{bytes, column},
};

/// The first two digits of names.
const SHARDS: usize = 256;
/// The most names in one statement.
const BATCH: usize = 1000;

const COUNT: &str = "SELECT coalesce(sum(cardinality(objects)), 0)::bigint + (SELECT count(*) FROM pending)
     + (SELECT count(*) FROM doomed) FROM contents";
const PENDING: &str =
    "SELECT object FROM pending WHERE object > $1 AND object < $2 ORDER BY object LIMIT 1000";
const DOOMED: &str = "SELECT object FROM doomed WHERE object > $1 AND object < $2 ORDER BY object LIMIT 1000";
const UNNAMED: &str = "SELECT unnest($1) EXCEPT (SELECT object FROM pending WHERE object = ANY ($1)
     UNION ALL SELECT object FROM doomed WHERE object = ANY ($1)
     UNION ALL SELECT object FROM contents, unnest(objects) AS object WHERE object IN (SELECT unnest($1))
     UNION ALL SELECT object FROM uploads, unnest(objects) AS object WHERE object IN (SELECT unnest($1)))";
const DOOM: &str = "INSERT INTO doomed (object) SELECT unnest($1) ON CONFLICT DO NOTHING";

/// An object as it was listed, and whether a row has named it.
struct Listed {
    size: u64,
    is_named: bool,
}

/// The listed objects, by the numbers that their names are.
type Listing = HashMap<u128, Listed>;

impl Check<'_> {
    pub(super) async fn objects(&mut self) -> Result<(), Error> {
        let count = Statement::new("count objects", COUNT, [] as [Value; 0]);
        let rows = self.backend.database().run_long(&count).await?;
        let count = rows.first().map_or(Ok(0), |row| bytes(column(row, 0)?))?;
        let passes = usize::try_from(count).unwrap_or(usize::MAX) / self.options.objects_at_a_time.max(1);
        let shards = SHARDS / (passes + 1).next_power_of_two().min(SHARDS);
        for first in (0..SHARDS).step_by(shards) {
            self.pass(first..first + shards).await?;
        }
        Ok(())
    }

    async fn pass(&mut self, shards: Range<usize>) -> Result<(), Error> {
        let is_first = shards.start == 0;
        let mut listing = self.listing(shards.clone()).await?;
        let mut last = i64::MIN;
        while let Some(end) = {
            let part = self.contents(last, is_first).await?;
            for owner in &part.owners {
                self.compare(owner, &shards, &mut listing).await?;
            }
            for object in &part.quarantined {
                name(&mut listing, object);
            }
            if is_first {
                self.external(&part.owners).await?;
                self.hash(&part.contents).await?;
            }
            part.last
        } {
            last = end;
        }
        let mut last = String::new();
        while let Some(end) = {
            let part = self.uploads(&last, is_first).await?;
            for owner in &part.owners {
                self.compare(owner, &shards, &mut listing).await?;
            }
            part.last
        } {
            last = end;
        }
        self.report.pending += self.named_by(PENDING, &shards, &mut listing).await?;
        self.report.doomed += self.named_by(DOOMED, &shards, &mut listing).await?;
        self.unnamed(listing).await
    }

    async fn listing(&mut self, shards: Range<usize>) -> Result<Listing, Error> {
        let mut listing = Listing::new();
        for shard in shards {
            let mut listed = self.backend.objects().list_shard(&format!("{shard:02x}"));
            while let Some((path, object, size)) = listed.try_next().await? {
                match object.as_deref().and_then(number) {
                    Some(number) => {
                        self.report.objects += 1;
                        self.report.bytes += size;
                        let is_named = false;
                        listing.insert(number, Listed { size, is_named });
                    }
                    None => self.tell(FsckFinding::Foreign { path, size }),
                }
            }
        }
        Ok(listing)
    }

    /// Compares the objects of a content or an upload with the listing.
    async fn compare(
        &mut self,
        owner: &Owner,
        shards: &Range<usize>,
        listing: &mut Listing,
    ) -> Result<(), Error> {
        let mut is_damaged = false;
        for (object, size) in owner.pieces.objects.iter().zip(&owner.pieces.sizes) {
            let shard = object
                .get(..2)
                .and_then(|digits| usize::from_str_radix(digits, 16).ok());
            if !shard.is_some_and(|shard| shards.contains(&shard)) {
                continue;
            }
            let listed = number(object).and_then(|number| listing.get_mut(&number));
            let (found, is_shared) = match listed {
                Some(listed) => (Some(listed.size), std::mem::replace(&mut listed.is_named, true)),
                None => (self.backend.objects().size(&own(object)).await?, false),
            };
            if is_shared && self.has(owner, object).await? {
                let owner = owner.name.clone();
                self.tell(FsckFinding::Endangered { owner });
            }
            if found == Some(*size) || !self.has(owner, object).await? {
                continue;
            }
            is_damaged = true;
            self.tell(FsckFinding::DamagedObject {
                owner: owner.name.clone(),
                object: object.clone(),
                size: *size,
                found,
            });
        }
        match owner.key {
            OwnerKey::Content(id) if is_damaged && self.options.repair => {
                self.backend.quarantine_content(id).await
            }
            _ => Ok(()),
        }
    }
}

impl Check<'_> {
    /// Notes the objects in a table of names, and returns how many there are.
    async fn named_by(
        &mut self,
        sql: &'static str,
        shards: &Range<usize>,
        listing: &mut Listing,
    ) -> Result<u64, Error> {
        let (mut last, mut count) = (format!("{:02x}", shards.start), 0);
        let end = match shards.end {
            SHARDS => "g".to_owned(),
            shard => format!("{shard:02x}"),
        };
        loop {
            let rows = self.rows(sql, [Value::text(&last), Value::text(&end)]).await?;
            for row in &rows {
                last = column(row, 0)?;
                name(listing, &last);
            }
            count += rows.len() as u64;
            if rows.is_empty() {
                return Ok(count);
            }
        }
    }

    /// Tells of listed objects that no row names, also when all tables are asked at one moment: no row will ever name
    /// them, since a row comes before its object.
    async fn unnamed(&mut self, listing: Listing) -> Result<(), Error> {
        let mut left: Vec<(String, u64)> = listing
            .into_iter()
            .filter(|(_, listed)| !listed.is_named)
            .map(|(number, listed)| (format!("{number:032x}"), listed.size))
            .collect();
        left.sort_unstable();
        for batch in left.chunks(BATCH) {
            let names = batch.iter().map(|(object, _)| object.clone()).collect();
            let asked = Statement::new("look for the rows of objects", UNNAMED, [Value::Texts(names)]);
            let rows = self.backend.database().run_long(&asked).await?;
            let mut unnamed = rows
                .iter()
                .map(|row| column(row, 0))
                .collect::<Result<Vec<String>, _>>()?;
            // A deletion may have ended since the listing: its row is gone, and so is its object.
            let mut there = Vec::new();
            for (object, size) in batch.iter().filter(|(object, _)| unnamed.contains(object)) {
                if self.backend.objects().size(&own(object)).await?.is_some() {
                    let (object, size) = (object.clone(), *size);
                    there.push(object.clone());
                    self.tell(FsckFinding::Unnamed { object, size });
                }
            }
            unnamed = there;
            if self.options.repair && !self.has_damaged_rows && !unnamed.is_empty() {
                let doom = Statement::new("doom objects", DOOM, [Value::Texts(unnamed)]);
                self.backend.database().transact(&[doom]).await?;
            }
        }
        Ok(())
    }
}

/// Notes that a row names an object.
fn name(listing: &mut Listing, object: &str) {
    if let Some(listed) = number(object).and_then(|number| listing.get_mut(&number)) {
        listed.is_named = true;
    }
}

fn own(object: &str) -> Location {
    Location::Own(object.to_owned())
}

/// The number that the name of an object is.
fn number(object: &str) -> Option<u128> {
    Objects::is_name(object).then(|| u128::from_str_radix(object, 16).ok())?
}
