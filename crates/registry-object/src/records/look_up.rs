//! Look-ups. Each is one statement, which sees one moment.

use std::sync::LazyLock;

use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use wharf_content::Error;
use wharf_reference::Digest;
use wharf_registry::{Record, RecordKey, RecordRange, RepositoryPath, Usage};

use super::row::{self, BLOB, Found, MANIFEST, Names, TAG};
use crate::{database::Query, uploads::user_text};

/// The blobs, manifests and tags of these names, and whether they were not touched for so many seconds. Each is looked up alone:
/// else the server, to which most repositories are small, may read all that a large one has to find a few.
static VALUES: LazyLock<String> = LazyLock::new(|| {
    let stale = "coalesce(touched < now() - make_interval(secs => $5), false)";
    format!(
        "WITH here AS (SELECT id FROM repositories WHERE name = $1)
         SELECT found.* FROM here, unnest($2) AS wanted, LATERAL (SELECT {BLOB}, {stale} FROM blobs
             WHERE repository = here.id AND digest = wanted LIMIT 1) AS found
         UNION ALL SELECT found.* FROM here, unnest($3) AS wanted, LATERAL (SELECT {MANIFEST}, {stale} FROM manifests
             WHERE repository = here.id AND digest = wanted LIMIT 1) AS found
         UNION ALL SELECT found.* FROM here, unnest($4) AS wanted, LATERAL (SELECT {TAG}, false FROM tags
             WHERE repository = here.id AND name = wanted LIMIT 1) AS found"
    )
});

/// Each is looked up alone, as above.
const RENEW: &str = "WITH here AS (SELECT id FROM repositories WHERE name = $1),
     blob AS MATERIALIZED (SELECT id, digest FROM here, unnest($2) AS digest),
     manifest AS MATERIALIZED (SELECT id, digest FROM here, unnest($3) AS digest),
     renewed AS (UPDATE blobs b SET touched = now() FROM blob WHERE b.repository = blob.id AND b.digest = blob.digest)
     UPDATE manifests m SET touched = now() FROM manifest WHERE m.repository = manifest.id AND m.digest = manifest.digest";

static TAGS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {TAG} FROM tags WHERE repository = (SELECT id FROM repositories WHERE name = $1)
         AND name > $2 ORDER BY name LIMIT $3"
    )
});

static REFERRERS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {MANIFEST} FROM manifests WHERE repository = (SELECT id FROM repositories WHERE name = $1)
         AND subject = $4 AND digest > $2 AND ($5::text IS NULL OR artifact_type = $5) ORDER BY digest LIMIT $3"
    )
});

/// The manifests are found by the index that names them; joined before they are counted, the server may read those of the
/// whole repository in order.
static NEEDING: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {MANIFEST} FROM (
             SELECT repository AS here, manifest FROM needs
             WHERE repository = (SELECT id FROM repositories WHERE name = $1)
             AND blob = $4 AND manifest > $2 ORDER BY manifest LIMIT $3) AS found
         JOIN manifests ON repository = here AND digest = manifest ORDER BY digest"
    )
});

/// Whether a repository has anything. The order makes the server use an index, although most rows may be those of one repository.
pub(crate) const HAS_RECORDS: &str = "((SELECT digest FROM blobs WHERE repository = id ORDER BY repository, digest LIMIT 1) IS NOT NULL
     OR (SELECT digest FROM manifests WHERE repository = id ORDER BY repository, digest LIMIT 1) IS NOT NULL)";

static EXISTS: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {HAS_RECORDS} FROM repositories WHERE name = $1"));

static REPOSITORIES: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT name FROM repositories WHERE name > $1 AND {HAS_RECORDS} ORDER BY name LIMIT $2")
});

/// As above, the order makes the server use an index, although most repositories may have the blob.
const HOLDERS: &str = "SELECT name FROM repositories JOIN (SELECT repository FROM blobs WHERE digest = $1
     ORDER BY digest, repository LIMIT $2) AS holders ON id = repository";

const USAGE: &str = "SELECT
     coalesce((SELECT bytes FROM repository_usage JOIN repositories ON id = repository WHERE name = $1), 0),
     coalesce((SELECT bytes FROM user_usage WHERE name = $2), 0)";

/// As above, with the bytes of open uploads, but for these.
const USAGE_WITH_UPLOADS: &str = "SELECT
     coalesce((SELECT bytes FROM repository_usage JOIN repositories ON id = repository WHERE name = $1), 0)
         + (SELECT coalesce(sum(length), 0)::bigint FROM uploads WHERE repository = $1 AND NOT id = ANY ($4)),
     coalesce((SELECT bytes FROM user_usage WHERE name = $2), 0)
         + (SELECT coalesce(sum(length), 0)::bigint FROM uploads WHERE owner = $3 AND NOT id = ANY ($4))";

pub(super) async fn look_up(
    by: &impl Query,
    repository: &RepositoryPath,
    keys: &[RecordKey],
    stale_after: Option<f64>,
) -> Result<Found, Error> {
    let names: Names = keys.iter().collect();
    let parameters = [
        (&repository.as_str() as _, Type::TEXT),
        (&names.blobs as _, Type::TEXT_ARRAY),
        (&names.manifests as _, Type::TEXT_ARRAY),
        (&names.tags as _, Type::TEXT_ARRAY),
        (&stale_after as _, Type::FLOAT8),
    ];
    let rows = by.query("look records up", &VALUES, &parameters).await?;
    let mut found = Found::default();
    for row in &rows {
        found.insert(row::record(row)?, row::column(row, 6)?);
    }
    Ok(found)
}

/// Makes records that were found stale count as used now.
pub(super) async fn renew(by: &impl Query, repository: &RepositoryPath, found: &Found) -> Result<(), Error> {
    let names: Names = found.stale.iter().collect();
    let parameters = [
        (&repository.as_str() as _, Type::TEXT),
        (&names.blobs as _, Type::TEXT_ARRAY),
        (&names.manifests as _, Type::TEXT_ARRAY),
    ];
    by.query("note the use of records", RENEW, &parameters)
        .await
        .map(drop)
}

pub(super) async fn page(
    by: &impl Query,
    repository: &RepositoryPath,
    range: &RecordRange,
    after: &str,
    limit: usize,
) -> Result<Vec<Record>, Error> {
    let (name, after, limit) = (repository.as_str(), storable(after), rows(limit));
    let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> =
        vec![(&name, Type::TEXT), (&after, Type::TEXT), (&limit, Type::INT8)];
    let digest;
    let statement: &str = match range {
        RecordRange::Tags => &TAGS,
        RecordRange::Referrers(_, Some(artifact_type)) if artifact_type.contains('\0') => {
            return Ok(Vec::new());
        }
        RecordRange::Referrers(subject, artifact_type) => {
            digest = subject.as_str();
            parameters.push((&digest, Type::TEXT));
            parameters.push((artifact_type, Type::TEXT));
            &REFERRERS
        }
        RecordRange::Needing(blob) => {
            digest = blob.as_str();
            parameters.push((&digest, Type::TEXT));
            &NEEDING
        }
        _ => return Err(unsupported("a range")),
    };
    let rows = by.query("list records", statement, &parameters).await?;
    rows.iter().map(row::record).collect()
}

pub(super) async fn exists(by: &impl Query, repository: &RepositoryPath) -> Result<bool, Error> {
    let parameters = [(&repository.as_str() as _, Type::TEXT)];
    let rows = by.query("look a repository up", &EXISTS, &parameters).await?;
    rows.first().map_or(Ok(false), |row| row::column(row, 0))
}

pub(super) async fn repositories(
    by: &impl Query,
    after: &str,
    limit: usize,
) -> Result<Vec<RepositoryPath>, Error> {
    let parameters = [
        (&storable(after) as _, Type::TEXT),
        (&rows(limit) as _, Type::INT8),
    ];
    let rows = by.query("list repositories", &REPOSITORIES, &parameters).await?;
    rows.iter().map(row::repository).collect()
}

pub(super) async fn holders(
    by: &impl Query,
    digest: &Digest,
    limit: usize,
) -> Result<Vec<RepositoryPath>, Error> {
    let parameters = [
        (&digest.as_str() as _, Type::TEXT),
        (&rows(limit) as _, Type::INT8),
    ];
    let rows = by.query("look up who has a blob", HOLDERS, &parameters).await?;
    rows.iter().map(row::repository).collect()
}

pub(super) async fn bytes_of(
    by: &impl Query,
    repository: &RepositoryPath,
    user: Option<&str>,
) -> Result<Usage, Error> {
    let parameters = [(&repository.as_str() as _, Type::TEXT), (&user as _, Type::TEXT)];
    usage(&by.query("look the usage up", USAGE, &parameters).await?)
}

/// As [`bytes_of`], with the bytes of open uploads, but for these.
pub(super) async fn bytes_with_uploads(
    by: &impl Query,
    repository: &RepositoryPath,
    user: Option<&str>,
    but: &[String],
) -> Result<Usage, Error> {
    let owner = user.map(user_text);
    let parameters = [
        (&repository.as_str() as _, Type::TEXT),
        (&user as _, Type::TEXT),
        (&owner as _, Type::TEXT),
        (&but as _, Type::TEXT_ARRAY),
    ];
    usage(
        &by.query("look the usage up", USAGE_WITH_UPLOADS, &parameters)
            .await?,
    )
}

fn usage(rows: &[Row]) -> Result<Usage, Error> {
    let Some(row) = rows.first() else {
        return Ok(Usage::default());
    };
    let (repository, user) = (
        row::bytes(row::column(row, 0)?)?,
        row::bytes(row::column(row, 1)?)?,
    );
    Ok(Usage { repository, user })
}

/// The part of a text before its first NUL, which no column holds. The same names come after both.
fn storable(after: &str) -> &str {
    after.split('\0').next().unwrap_or_default()
}

/// The most rows of a page, as a parameter.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn unsupported(what: &str) -> Error {
    let message = format!("the registry asks for {what} that this release of the engine does not know");
    Error::new(wharf_content::ErrorKind::Unsupported, message)
}
