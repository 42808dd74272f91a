-- Content in an object that another registry has written: the key of the object in the whole bucket, or the path of a
-- file. It is only read. Such content has no object of the registry's own, so that whatever becomes of it, no object is
-- given to `doomed`; its size is the only one of `sizes`. A process of the release before takes the row for damaged, and
-- the first one raises schema_versions.oldest.
ALTER TABLE contents ADD COLUMN external_key text COLLATE "C",
    ADD CHECK (external_key IS NULL OR (objects IS NOT NULL AND cardinality(objects) = 0));
CREATE INDEX contents_by_external_key ON contents (external_key) WHERE external_key IS NOT NULL;
