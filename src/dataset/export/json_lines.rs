//! A table as JSON lines: an object for each image, with all columns. What is not known is `null`.

use std::io::Write;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::columns::{Column, Line, Value, columns};
use super::{Record, Table};
use crate::text::json;

pub(super) fn write(
    records: impl Iterator<Item = Record>,
    table: &Table<'_>,
    file: &mut impl Write,
) -> Result<usize, String> {
    let columns = columns(table);
    let mut written = 0;
    for record in records {
        let object = Object {
            columns: &columns,
            line: Line::new(&record, table),
        };
        let line = json(&object).map_err(|error| error.to_string())?;
        writeln!(file, "{line}").map_err(|error| error.to_string())?;
        written += 1;
    }
    Ok(written)
}

struct Object<'a> {
    columns: &'a [&'static Column],
    line: Line<'a>,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for column in self.columns {
            map.serialize_entry(column.name, &column.of(&self.line))?;
        }
        map.end()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Word(text) => serializer.serialize_str(text),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Size(size) => serializer.serialize_i64(*size),
            // As few digits as name this number among those of 32 bits.
            Self::Number(number) => serializer.serialize_f32(*number),
            Self::Nanos(_) | Self::Millis(_) => self.moment().serialize(serializer),
            Self::Counts(counts) => counts.serialize(serializer),
            Self::Words(words) => words.serialize(serializer),
        }
    }
}
