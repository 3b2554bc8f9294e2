-- Every image that anything is kept of. The others name it by its number, which is short.
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    -- The bytes of its path, relative to the folder of the review where it lies in it; file names
    -- need not be text.
    path BLOB NOT NULL UNIQUE
) STRICT;

-- What stands of each image. A row is never taken away, also when nothing is said any more: its
-- version tells those who have seen the one before that it has changed.
CREATE TABLE reviews (
    image INTEGER PRIMARY KEY REFERENCES images (id),
    -- Name of the verdict, nothing where there is only a note or tags.
    verdict TEXT,
    note TEXT NOT NULL,
    -- A JSON list of texts.
    tags TEXT NOT NULL CHECK (json_valid(tags)),
    -- One count for the whole store: each change has the next number, so that the largest is the
    -- newest and "what has changed since" is a range.
    version INTEGER NOT NULL UNIQUE,
    by TEXT NOT NULL,
    -- Milliseconds since 1970, UTC.
    at INTEGER NOT NULL
) STRICT;

-- Every change that somebody made, so that it can be undone, also after a restart, and so that
-- nothing that was said is ever lost. Rows are never taken away.
CREATE TABLE history (
    seq INTEGER PRIMARY KEY,
    -- Changes made by one key press have the same number.
    step INTEGER NOT NULL,
    image INTEGER NOT NULL REFERENCES images (id),
    -- JSON lists: verdict, note, list of tags.
    before TEXT NOT NULL CHECK (json_valid(before)),
    after TEXT NOT NULL CHECK (json_valid(after)),
    -- The versions under which these two stand or stood last in reviews; 0 for an image that nothing
    -- was said of. Undoing and doing again gives a review back under a new version, and it is
    -- entered here. Whoever finds another one in reviews knows that somebody has changed the image.
    before_version INTEGER NOT NULL,
    after_version INTEGER NOT NULL,
    -- Who said what was there before, and when; nothing where nothing was said.
    before_by TEXT,
    before_at INTEGER,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- "dropped" can be neither undone nor done again: something else was done after it was undone,
    -- or somebody else has changed the image since.
    state TEXT NOT NULL CHECK (state IN ('done', 'undone', 'dropped'))
) STRICT;

-- The newest step of a person.
CREATE INDEX history_steps ON history (by, state, step);

-- The changes of an image.
CREATE INDEX history_images ON history (image);

-- What has made scores. Scores of another network, preprocessing or layer are no answer.
CREATE TABLE models (
    id INTEGER PRIMARY KEY,
    -- Fingerprint of the checkpoint, preprocessing and layer.
    key TEXT NOT NULL UNIQUE,
    -- The same for people.
    about TEXT NOT NULL
) STRICT;

-- What a model answers for an image, or why the image cannot be read. There can be a million of
-- them and they are read all at once: the order on disk is the one they are read in, without row
-- numbers and another index.
CREATE TABLE scores (
    model INTEGER NOT NULL REFERENCES models (id),
    image INTEGER NOT NULL REFERENCES images (id),
    -- The file that was scored: bytes, and nanoseconds since 1970. Another size or time is another
    -- file.
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    -- One of the two. The bytes are those of dataset/store/blob.rs.
    score BLOB,
    reason TEXT,
    PRIMARY KEY (model, image),
    CHECK ((score IS NULL) <> (reason IS NULL))
) STRICT, WITHOUT ROWID;

-- What to see and in which order, under a name.
CREATE TABLE views (
    name TEXT PRIMARY KEY,
    filter TEXT NOT NULL,
    ordering TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where each person was, so that the next start goes on there. Only the interface knows what the
-- text means.
CREATE TABLE sessions (
    reviewer TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
