//! A table as a Parquet file, compressed by Snappy, in groups of rows so that a program can read a
//! part of it. What is not known is null; a list is never null.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::columns::{Column, Kind, Line, Value, columns};
use super::{Record, Table};

/// Rows of a group. They are in memory at the same time, some 400 bytes each.
const GROUP: usize = 1 << 16;

pub(super) fn write(
    records: impl Iterator<Item = Record>,
    table: &Table<'_>,
    file: &mut (impl Write + Send),
) -> Result<usize, String> {
    grouped(records, table, file, GROUP).map_err(|error| error.to_string())
}

pub(super) fn grouped(
    mut records: impl Iterator<Item = Record>,
    table: &Table<'_>,
    file: &mut (impl Write + Send),
    rows: usize,
) -> Result<usize, ParquetError> {
    let columns = columns(table);
    let schema = parse_message_type(&schema(&columns))?;
    let properties = Arc::new(properties(&columns));
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), properties)?;
    let mut written = 0;
    loop {
        let group: Vec<Record> = records.by_ref().take(rows).collect();
        if group.is_empty() {
            break;
        }
        let lines: Vec<Line<'_>> = group
            .iter()
            .map(|record| Line::new(record, table))
            .collect();
        let mut rows = writer.next_row_group()?;
        for column in &columns {
            write_column(&mut rows, column, &lines)?;
        }
        rows.close()?;
        written += group.len();
    }
    writer.close()?;
    Ok(written)
}

fn schema(columns: &[&Column]) -> String {
    let line = |column: &&Column| {
        let name = column.name;
        let needed = if column.is_always {
            "required"
        } else {
            "optional"
        };
        let list = |item: &str| {
            format!("required group {name} (LIST) {{ repeated group list {{ required {item}; }} }}")
        };
        match column.kind {
            Kind::Text | Kind::Word => format!("{needed} binary {name} (STRING);"),
            Kind::Flag => format!("{needed} boolean {name};"),
            Kind::Count => format!("{needed} int32 {name};"),
            Kind::Size => format!("{needed} int64 {name};"),
            Kind::Number => format!("{needed} float {name};"),
            Kind::Nanos => format!("{needed} int64 {name} (TIMESTAMP(NANOS,true));"),
            Kind::Millis => format!("{needed} int64 {name} (TIMESTAMP(MILLIS,true));"),
            Kind::Counts => list("int32 element"),
            Kind::Words => list("binary element (STRING)"),
        }
    };
    let lines: Vec<String> = columns.iter().map(line).collect();
    format!("message review {{\n{}\n}}", lines.join("\n"))
}

fn properties(columns: &[&Column]) -> WriterProperties {
    // A dictionary is of use where values return.
    let returns = |column: &&&Column| matches!(column.kind, Kind::Word | Kind::Words);
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("gradcam {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false);
    for column in columns.iter().filter(returns) {
        let mut path = vec![column.name.to_owned()];
        if column.kind == Kind::Words {
            path.extend(["list", "element"].map(str::to_owned));
        }
        properties = properties.set_column_dictionary_enabled(ColumnPath::new(path), true);
    }
    properties.build()
}

/// The values of a column, and where they belong: for each place whether there is a value, and for
/// lists whether the place goes on with the list before it.
#[derive(Default)]
struct Levels {
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl Levels {
    fn put(&mut self, is_known: bool) {
        self.defined.push(i16::from(is_known));
    }

    /// A list of so many items; an empty one has a place without a value.
    fn put_list(&mut self, items: usize) {
        for place in 0..items.max(1) {
            self.defined.push(i16::from(items > 0));
            self.repeated.push(i16::from(place > 0));
        }
    }

    /// A column whose values are never unknown has none.
    fn defined(&self, column: &Column) -> Option<&[i16]> {
        (column.is_list() || !column.is_always).then_some(self.defined.as_slice())
    }

    fn repeated(&self, column: &Column) -> Option<&[i16]> {
        column.is_list().then_some(self.repeated.as_slice())
    }
}

fn write_column(
    rows: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    column: &Column,
    lines: &[Line<'_>],
) -> Result<(), ParquetError> {
    let Some(mut writer) = rows.next_column()? else {
        return Err(ParquetError::General(format!(
            "the schema has no column {}",
            column.name
        )));
    };
    let mut levels = Levels::default();
    match writer.untyped() {
        ColumnWriter::BoolColumnWriter(writer) => {
            let values = gathered(column, lines, &mut levels, |value, into| {
                into.extend(match value {
                    Value::Flag(flag) => Some(flag),
                    _ => None,
                });
            });
            writer.write_batch(&values, levels.defined(column), levels.repeated(column))?;
        }
        ColumnWriter::Int32ColumnWriter(writer) => {
            // Classes and ranks are far below the largest number of this type.
            let values = gathered(column, lines, &mut levels, |value, into| match value {
                Value::Count(count) => into.push(count as i32),
                Value::Counts(counts) => into.extend(counts.iter().map(|count| *count as i32)),
                _ => {}
            });
            writer.write_batch(&values, levels.defined(column), levels.repeated(column))?;
        }
        ColumnWriter::Int64ColumnWriter(writer) => {
            let values = gathered(column, lines, &mut levels, |value, into| match value {
                Value::Size(number) | Value::Nanos(number) | Value::Millis(number) => {
                    into.push(number);
                }
                _ => {}
            });
            writer.write_batch(&values, levels.defined(column), levels.repeated(column))?;
        }
        ColumnWriter::FloatColumnWriter(writer) => {
            let values = gathered(column, lines, &mut levels, |value, into| {
                into.extend(match value {
                    Value::Number(number) => Some(number),
                    _ => None,
                });
            });
            writer.write_batch(&values, levels.defined(column), levels.repeated(column))?;
        }
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let values = gathered(column, lines, &mut levels, |value, into| match value {
                Value::Text(text) => into.push(ByteArray::from(text.into_bytes())),
                Value::Word(text) => into.push(ByteArray::from(text)),
                Value::Words(words) => into.extend(words.into_iter().map(ByteArray::from)),
                _ => {}
            });
            writer.write_batch(&values, levels.defined(column), levels.repeated(column))?;
        }
        _ => {
            return Err(ParquetError::General(format!(
                "the column {} has another type",
                column.name
            )));
        }
    }
    writer.close()
}

/// The values of all lines, one after the other.
fn gathered<T>(
    column: &Column,
    lines: &[Line<'_>],
    levels: &mut Levels,
    take: impl Fn(Value<'_>, &mut Vec<T>),
) -> Vec<T> {
    let mut values = Vec::with_capacity(lines.len());
    for line in lines {
        let before = values.len();
        take(column.of(line), &mut values);
        let taken = values.len() - before;
        if column.is_list() {
            levels.put_list(taken);
        } else {
            levels.put(taken > 0);
        }
    }
    values
}
