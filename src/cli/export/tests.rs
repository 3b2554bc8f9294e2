//! The command line of the export.

use super::*;

#[test]
fn the_ending_tells_the_format() {
    for (name, format) in [
        ("a.csv", Some(Format::Csv)),
        ("a.JSONL", Some(Format::Jsonl)),
        ("a.ndjson", Some(Format::Jsonl)),
        ("a.parquet", Some(Format::Parquet)),
        ("a.html", Some(Format::Html)),
        ("a.htm", Some(Format::Html)),
        ("a.png", None),
        ("a.xlsx", None),
        ("a", None),
    ] {
        assert_eq!(Format::of(Path::new(name)), format, "{name}");
    }
}
