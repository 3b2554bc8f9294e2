//! Columns: what a table says of each image, under which name, and what it means. Every format
//! writes these, in this order.

use chrono::{DateTime, SecondsFormat};

use super::{Record, Table, hex};
use crate::dataset::figure::Figure;
use crate::dataset::row::Row;
use crate::dataset::score::{Answer, MapFigures, Score};
use crate::dataset::store::ModelFacts;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A text that many images have.
    Word,
    Flag,
    /// A number of a class, a rank.
    Count,
    /// Bytes.
    Size,
    Number,
    /// A moment, to the nanosecond or the millisecond.
    Nanos,
    Millis,
    /// Never unknown; may be empty.
    Counts,
    Words,
}

/// What a column has of one image.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Unknown,
    Text(String),
    Word(&'a str),
    Flag(bool),
    Count(u32),
    Size(i64),
    Number(f32),
    /// Since 1970, UTC.
    Nanos(i64),
    Millis(i64),
    Counts(&'a [u32]),
    Words(Vec<&'a str>),
}

/// An image, and what all of them have in common.
pub(super) struct Line<'a> {
    record: &'a Record,
    row: Row<'a>,
    model: Option<&'a ModelFacts>,
}

/// One column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether it is known of every image.
    pub(super) is_always: bool,
    meaning: &'static str,
    of: for<'a> fn(&Line<'a>) -> Value<'a>,
}

impl<'a> Line<'a> {
    pub(super) fn new(record: &'a Record, table: &Table<'a>) -> Self {
        Self {
            record,
            row: record.row(),
            model: table.model,
        }
    }

    fn answer(&self, place: usize) -> Option<Answer> {
        self.record.score.as_ref()?.top().nth(place)
    }

    fn label(&self, class: u32) -> Option<&'a str> {
        let labels = &self.model?.labels;
        labels.get(class as usize).map(String::as_str)
    }

    /// How the scores were made.
    fn made(&self, word: impl Fn(&'a ModelFacts) -> &'a str) -> Value<'a> {
        self.model
            .map_or(Value::Unknown, |model| Value::Word(word(model)))
    }
}

impl Column {
    pub(super) fn of<'a>(&self, line: &Line<'a>) -> Value<'a> {
        (self.of)(line)
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::Counts | Kind::Words)
    }
}

impl Value<'_> {
    /// A moment as ISO 8601 has it, in UTC.
    pub(super) fn moment(&self) -> Option<String> {
        let (moment, digits) = match self {
            Self::Nanos(nanos) => (DateTime::from_timestamp_nanos(*nanos), SecondsFormat::Nanos),
            Self::Millis(millis) => (
                DateTime::from_timestamp_millis(*millis)?,
                SecondsFormat::Millis,
            ),
            _ => return None,
        };
        Some(moment.to_rfc3339_opts(digits, true))
    }
}

/// The columns of a table.
pub(super) fn columns(table: &Table<'_>) -> Vec<&'static Column> {
    let shown = |column: &&Column| table.has_odd_paths || column.name != ODD;
    COLUMNS.iter().filter(shown).collect()
}

/// The table of the columns in the documentation.
#[must_use]
pub fn documented() -> String {
    let line = |column: &Column| {
        let kind = match column.kind {
            Kind::Text | Kind::Word => "text",
            Kind::Flag => "true or false",
            Kind::Count | Kind::Size => "whole number",
            Kind::Number => "number",
            Kind::Nanos | Kind::Millis => "time",
            Kind::Counts => "list of whole numbers",
            Kind::Words => "list of texts",
        };
        format!("| `{}` | {kind} | {} |\n", column.name, column.meaning)
    };
    let lines: String = COLUMNS.iter().map(line).collect();
    format!("| column | kind | what it is |\n|---|---|---|\n{lines}")
}

/// There only where it is needed.
const ODD: &str = "path_bytes_hex";

fn number(value: Option<f32>) -> Value<'static> {
    let value = value.filter(|value| value.is_finite());
    value.map_or(Value::Unknown, Value::Number)
}

fn class<const PLACE: usize>(line: &Line<'_>) -> Value<'static> {
    let answer = line.answer(PLACE);
    answer.map_or(Value::Unknown, |answer| Value::Count(answer.class))
}

fn label<'a, const PLACE: usize>(line: &Line<'a>) -> Value<'a> {
    let label = line
        .answer(PLACE)
        .and_then(|answer| line.label(answer.class));
    label.map_or(Value::Unknown, Value::Word)
}

fn logit<const PLACE: usize>(line: &Line<'_>) -> Value<'static> {
    number(line.answer(PLACE).map(|answer| answer.logit))
}

fn probability<const PLACE: usize>(line: &Line<'_>) -> Value<'static> {
    let score = line.record.score.as_ref();
    let answer = line.answer(PLACE);
    number(
        score
            .zip(answer)
            .map(|(score, answer)| score.probability(answer.logit)),
    )
}

fn peak(map: Option<&MapFigures>) -> Value<'static> {
    number(map.map(|map| map.peak))
}

fn spread(map: Option<&MapFigures>) -> Value<'static> {
    number(map.and_then(|map| map.entropy))
}

fn center(map: Option<&MapFigures>, axis: usize) -> Value<'static> {
    number(map.and_then(|map| map.center).map(|center| center[axis]))
}

const fn column(
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    of: for<'a> fn(&Line<'a>) -> Value<'a>,
) -> Column {
    Column {
        name,
        kind,
        is_always: false,
        meaning,
        of,
    }
}

/// One that is known of every image.
const fn always(column: Column) -> Column {
    Column {
        is_always: true,
        ..column
    }
}

#[rustfmt::skip]
static COLUMNS: &[Column] = &[
    always(column("path", Kind::Text, "the file as it was found, as it can be opened from where the program was started",
        |line| Value::Text(line.record.path.to_string_lossy().into_owned()))),
    column(ODD, Kind::Text, "the bytes of `path`; only where some path is no UTF-8, and nothing where this one is",
        |line| if super::is_odd(&line.record.path) {
            Value::Text(hex(&line.record.path))
        } else {
            Value::Unknown
        }),
    always(column("image", Kind::Text, "the file relative to the folder of the review, as the store names it",
        |line| Value::Text(String::from_utf8_lossy(line.record.image.as_bytes()).into_owned()))),
    column("file_size", Kind::Size, "bytes of the file",
        |line| line.record.file.map_or(Value::Unknown, |file| {
            i64::try_from(file.size).map_or(Value::Unknown, Value::Size)
        })),
    column("file_time", Kind::Nanos, "when the file was changed last",
        |line| line.record.file.map_or(Value::Unknown, |file| Value::Nanos(file.mtime_ns))),
    always(column("scored", Kind::Flag, "whether the model has answered for the file as it is now",
        |line| Value::Flag(line.record.score.is_some()))),
    column("unreadable", Kind::Text, "why the image cannot be read, where it cannot",
        |line| line.record.unreadable.as_deref().map_or(Value::Unknown, Value::Word)),

    column("class", Kind::Count, "number of the top class, from 0", class::<0>),
    column("label", Kind::Word, "its name", label::<0>),
    column("logit", Kind::Number, "its output before softmax", logit::<0>),
    column("probability", Kind::Number, "its probability, 0 to 1", probability::<0>),
    column("class_2", Kind::Count, "the same of the second class", class::<1>),
    column("label_2", Kind::Word, "as `label`", label::<1>),
    column("logit_2", Kind::Number, "as `logit`", logit::<1>),
    column("probability_2", Kind::Number, "as `probability`", probability::<1>),
    column("class_3", Kind::Count, "of the third", class::<2>),
    column("label_3", Kind::Word, "as `label`", label::<2>),
    column("logit_3", Kind::Number, "as `logit`", logit::<2>),
    column("probability_3", Kind::Number, "as `probability`", probability::<2>),
    column("class_4", Kind::Count, "of the fourth", class::<3>),
    column("label_4", Kind::Word, "as `label`", label::<3>),
    column("logit_4", Kind::Number, "as `logit`", logit::<3>),
    column("probability_4", Kind::Number, "as `probability`", probability::<3>),
    column("class_5", Kind::Count, "of the fifth", class::<4>),
    column("label_5", Kind::Word, "as `label`", label::<4>),
    column("logit_5", Kind::Number, "as `logit`", logit::<4>),
    column("probability_5", Kind::Number, "as `probability`", probability::<4>),
    column("entropy", Kind::Number, "entropy of the probabilities of all classes, in nats",
        |line| number(line.row.score.map(|score| score.entropy))),
    column("margin", Kind::Number, "probability of the top class less that of the second",
        |line| number(line.row.score.and_then(Score::margin))),
    column("log_sum", Kind::Number, "logarithm of the sum of the exponentials of all logits; a logit less this is the logarithm of its probability",
        |line| number(line.row.score.map(|score| score.log_sum))),

    always(column("true_classes", Kind::Counts, "numbers of the true classes; empty where none are known",
        |line| Value::Counts(line.row.truth))),
    always(column("true_labels", Kind::Words, "their names; empty where none are known",
        |line| Value::Words(line.row.truth.iter().filter_map(|class| line.label(*class)).collect()))),
    column("right", Kind::Flag, "whether the top class is a true class",
        |line| line.row.is_right().map_or(Value::Unknown, Value::Flag)),
    column("true_rank", Kind::Count, "place of the best true class among all classes, from 1",
        |line| line.row.true_class().map_or(Value::Unknown, |truth| Value::Count(truth.rank))),
    column("loss", Kind::Number, "cross entropy with that class, in nats",
        |line| number(line.row.loss())),
    column("mistakenness", Kind::Number, "how likely the label is wrong, 0 to 1",
        |line| number(line.row.mistakenness())),

    column("map_peak", Kind::Number, "largest value of the Grad-CAM map of the top class; 0 where nothing speaks for it",
        |line| peak(line.row.map())),
    column("map_spread", Kind::Number, "entropy of the map: 0 for one point, 1 for the same everywhere",
        |line| spread(line.row.map())),
    column("map_center_x", Kind::Number, "center of the map in widths of the input, from the left",
        |line| center(line.row.map(), 0)),
    column("map_center_y", Kind::Number, "in heights, from the top",
        |line| center(line.row.map(), 1)),
    column("map_mass", Kind::Number, "share of the map inside the boxes of the true class, where there are any",
        |line| number(line.row.mass())),
    column("true_map_peak", Kind::Number, "as `map_peak`, of the map of the true class",
        |line| peak(line.row.true_map())),
    column("true_map_spread", Kind::Number, "as `map_spread`", |line| spread(line.row.true_map())),
    column("true_map_center_x", Kind::Number, "as `map_center_x`", |line| center(line.row.true_map(), 0)),
    column("true_map_center_y", Kind::Number, "as `map_center_y`", |line| center(line.row.true_map(), 1)),
    column("true_map_mass", Kind::Number, "as `map_mass`",
        |line| number(Figure::TrueMass.of(&line.row))),
    column("agreement", Kind::Number, "how alike the two maps are, 0 to 1",
        |line| number(line.row.agreement())),

    column("verdict", Kind::Word, "the verdict that stands",
        |line| line.row.review.and_then(|review| review.verdict.as_deref()).map_or(Value::Unknown, Value::Word)),
    always(column("tags", Kind::Words, "the tags; empty where there are none",
        |line| Value::Words(line.row.review.into_iter().flat_map(|review| review.tags.iter()).map(|tag| &**tag).collect()))),
    column("note", Kind::Text, "the note; may have several lines",
        |line| match line.row.review {
            Some(review) if !review.note.is_empty() => Value::Word(&review.note),
            _ => Value::Unknown,
        }),
    column("reviewer", Kind::Word, "who has changed verdict, tags or note last",
        |line| line.record.said.as_ref().map_or(Value::Unknown, |(_, stamp)| Value::Word(&stamp.by))),
    column("reviewed_at", Kind::Millis, "and when",
        |line| line.record.said.as_ref().map_or(Value::Unknown, |(_, stamp)| Value::Millis(stamp.at_millis))),

    column("model", Kind::Word, "name of the checkpoint that has made the scores",
        |line| line.made(|model| &model.name)),
    column("fingerprint", Kind::Word, "first 16 hexadecimal digits of its BLAKE3 hash",
        |line| line.made(|model| &model.fingerprint)),
    column("preprocessing", Kind::Word, "how images were prepared, in words",
        |line| line.made(|model| &model.recipe)),
    column("layer", Kind::Word, "the layer that the maps are of",
        |line| line.made(|model| &model.layer)),
    always(column("gradcam_version", Kind::Word, "of the program that has written this",
        |_| Value::Word(env!("CARGO_PKG_VERSION")))),
];
