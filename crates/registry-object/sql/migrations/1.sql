-- Names, tags, digests and users are compared by their bytes, whatever the database's locale is.

-- The registry itself, one row. The id ties the records to what is stored elsewhere; keys are derived from the secret.
CREATE TABLE registry (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    id bytea NOT NULL,
    secret bytea NOT NULL
);
INSERT INTO registry (id, secret)
VALUES (uuid_send(gen_random_uuid()), uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- A repository that ever had anything. Never removed: its row is the lock of everything that changes in it.
CREATE TABLE repositories (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

-- What changes with every commit of a repository, apart from its row, which several commits that only add may
-- share: the bytes that count, and the number of its last event.
CREATE TABLE repository_usage (
    repository bigint PRIMARY KEY REFERENCES repositories,
    bytes bigint NOT NULL DEFAULT 0,
    events bigint NOT NULL DEFAULT 0
);

-- The bytes that count for a user, in all repositories. Changed after those of repositories, in the order of names.
CREATE TABLE user_usage (
    name text COLLATE "C" PRIMARY KEY,
    bytes bigint NOT NULL
);

-- Bytes that were pushed once: in this row, or in objects whose names are never used for others. What links it keeps it.
CREATE TABLE contents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text COLLATE "C" NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    bytes bytea,
    objects text[] COLLATE "C",
    sizes bigint[],
    CHECK ((bytes IS NULL) = (objects IS NOT NULL)),
    CHECK ((objects IS NULL) = (sizes IS NULL))
);
CREATE INDEX contents_by_digest ON contents (digest);

-- The blobs of a repository. Without a content, the bytes are not there.
CREATE TABLE blobs (
    repository bigint NOT NULL REFERENCES repositories,
    digest text COLLATE "C" NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    user_name text COLLATE "C",
    content bigint REFERENCES contents,
    touched timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (repository, digest)
);
CREATE INDEX blobs_by_content ON blobs (content);
CREATE INDEX blobs_by_digest ON blobs (digest, repository);

-- The manifests of a repository. `record` is the JSON of wharf-registry's record.
CREATE TABLE manifests (
    repository bigint NOT NULL REFERENCES repositories,
    digest text COLLATE "C" NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    user_name text COLLATE "C",
    content bigint REFERENCES contents,
    touched timestamptz NOT NULL DEFAULT now(),
    subject text COLLATE "C",
    artifact_type text COLLATE "C",
    record text NOT NULL,
    PRIMARY KEY (repository, digest)
);
CREATE INDEX manifests_by_content ON manifests (content);
CREATE INDEX manifests_by_subject ON manifests (repository, subject, digest) WHERE subject IS NOT NULL;

-- The blobs that manifests need. A blob may lack: nothing refers to its row.
CREATE TABLE needs (
    repository bigint NOT NULL,
    blob text COLLATE "C" NOT NULL,
    manifest text COLLATE "C" NOT NULL,
    PRIMARY KEY (repository, blob, manifest),
    FOREIGN KEY (repository, manifest) REFERENCES manifests ON DELETE CASCADE
);
CREATE INDEX needs_by_manifest ON needs (repository, manifest);

CREATE TABLE tags (
    repository bigint NOT NULL REFERENCES repositories,
    name text COLLATE "C" NOT NULL,
    manifest text COLLATE "C" NOT NULL,
    PRIMARY KEY (repository, name)
);
CREATE INDEX tags_by_manifest ON tags (repository, manifest);

-- Commits that were made, so that a repetition after a lost answer changes nothing.
CREATE TABLE commits (
    id bytea PRIMARY KEY,
    committed timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX commits_by_age ON commits (committed);
