//! A table as CSV, as RFC 4180 has it: UTF-8, quotes where they are needed, lines end in CR LF.
//!
//! What is not known is an empty field, and the items of a list have `;` between them. Texts are
//! written as they are, also those that begin with `=`: whoever opens the file in a spreadsheet must
//! import them as text.

use std::io::Write;

use super::columns::{Line, Value, columns};
use super::{Record, Table};

pub(super) fn write(
    records: impl Iterator<Item = Record>,
    table: &Table<'_>,
    file: &mut impl Write,
) -> Result<usize, String> {
    let columns = columns(table);
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(file);
    let failed = |error: csv::Error| error.to_string();
    let names = columns.iter().map(|column| column.name);
    writer.write_record(names).map_err(failed)?;
    let mut written = 0;
    for record in records {
        let line = Line::new(&record, table);
        let fields = columns.iter().map(|column| field(&column.of(&line)));
        writer.write_record(fields).map_err(failed)?;
        written += 1;
    }
    writer.flush().map_err(|error| error.to_string())?;
    Ok(written)
}

fn field(value: &Value<'_>) -> String {
    match value {
        Value::Unknown => String::new(),
        Value::Text(text) => text.clone(),
        Value::Word(text) => (*text).to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::Count(count) => count.to_string(),
        Value::Size(size) => size.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Nanos(_) | Value::Millis(_) => value.moment().unwrap_or_default(),
        Value::Counts(counts) => {
            let counts: Vec<String> = counts.iter().map(u32::to_string).collect();
            counts.join(";")
        }
        Value::Words(words) => words.join(";"),
    }
}
