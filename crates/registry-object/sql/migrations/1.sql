-- Names, tags, digests and users are compared by their bytes, whatever the database's locale is.

-- The registry itself, one row. The id ties the records to what is stored elsewhere; keys are derived from the secret.
CREATE TABLE registry (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    id bytea NOT NULL,
    secret bytea NOT NULL,
    revocations bigint NOT NULL DEFAULT 0 -- of tokens; each ends the validity of those before
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
-- Content that was found corrupt or missing is in quarantine until it is pushed again, which replaces its objects.
CREATE TABLE contents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text COLLATE "C" NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    bytes bytea,
    objects text[] COLLATE "C",
    sizes bigint[],
    quarantined timestamptz,
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

-- The manifests that indexes name. A child may lack, or be a blob.
CREATE TABLE children (
    repository bigint NOT NULL,
    child text COLLATE "C" NOT NULL,
    manifest text COLLATE "C" NOT NULL,
    PRIMARY KEY (repository, child, manifest),
    FOREIGN KEY (repository, manifest) REFERENCES manifests ON DELETE CASCADE
);
CREATE INDEX children_by_manifest ON children (repository, manifest);

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

-- Uploads. Their bytes are in objects, one after the other. Without a repository, an upload that no client sees.
CREATE TABLE uploads (
    id text COLLATE "C" PRIMARY KEY,
    repository text COLLATE "C",
    owner text COLLATE "C", -- 'user:' and a name, or 'network:' and an IP address
    algorithm text COLLATE "C",
    length bigint NOT NULL DEFAULT 0 CHECK (length >= 0),
    hash_algorithm text COLLATE "C",
    hash_state bytea, -- after `length` bytes
    objects text[] COLLATE "C" NOT NULL DEFAULT '{}',
    sizes bigint[] NOT NULL DEFAULT '{}',
    begun timestamptz NOT NULL DEFAULT now(),
    used timestamptz NOT NULL DEFAULT now(),
    CHECK ((repository IS NULL) = (owner IS NULL)),
    CHECK ((hash_algorithm IS NULL) = (hash_state IS NULL)),
    CHECK (cardinality(objects) = cardinality(sizes))
);
CREATE INDEX uploads_by_repository ON uploads (repository);
CREATE INDEX uploads_by_owner ON uploads (owner);
CREATE INDEX uploads_by_use ON uploads (used);

-- Objects that are no content yet, each from before its first byte. One of an upload lives as long as the upload; one
-- without is being written, and goes to `doomed` when its writer has not renewed it for a day.
CREATE TABLE pending (
    object text COLLATE "C" PRIMARY KEY,
    upload text COLLATE "C" REFERENCES uploads,
    renewed timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pending_by_upload ON pending (upload);
CREATE INDEX pending_by_age ON pending (renewed) WHERE upload IS NULL;

-- Objects that nothing names any more. They are deleted, a second time a week later in case that their writer was late,
-- and then their rows.
CREATE TABLE doomed (
    object text COLLATE "C" PRIMARY KEY,
    doomed timestamptz NOT NULL DEFAULT now(),
    swept timestamptz
);
CREATE INDEX doomed_by_age ON doomed (doomed) WHERE swept IS NULL;
CREATE INDEX doomed_by_sweep ON doomed (swept) WHERE swept IS NOT NULL;

-- Those who are told of events, by the names that the processes give them. One that no process has had for a day goes.
CREATE TABLE subscribers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    unsubscribed boolean NOT NULL DEFAULT false,
    seen timestamptz NOT NULL DEFAULT now()
);

-- Events that not every subscriber has accepted, numbered without gaps in each repository. `event` is the JSON of
-- wharf-registry's event.
CREATE TABLE events (
    repository bigint NOT NULL REFERENCES repositories,
    number bigint NOT NULL,
    event text COLLATE "C" NOT NULL,
    recorded timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (repository, number)
);

-- The repositories that have events for a subscriber: which event it has accepted last, which is the last, and until when
-- nobody may claim the repository.
CREATE TABLE event_positions (
    subscriber bigint NOT NULL REFERENCES subscribers ON DELETE CASCADE,
    repository bigint NOT NULL REFERENCES repositories,
    accepted bigint NOT NULL,
    last bigint NOT NULL,
    claim bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    free timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subscriber, repository)
);
CREATE INDEX event_positions_by_time ON event_positions (subscriber, free);
CREATE INDEX event_positions_by_repository ON event_positions (repository);
