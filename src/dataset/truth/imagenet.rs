//! The files that ImageNet's challenge and its users have: `val.txt` with a name and a number a
//! line, the validation ground truth with a number a line, and `LOC_val_solution.csv`.

use super::classes::Classes;
use super::read::{Bad, Extent, Listing, NO_BOX, Row, file, window};
use super::table::{CLASSES, FILES};
use crate::dataset::ImageEntry;
use crate::text::{count, visible};

/// What such a file says; nothing where it is none. `name` is the file's.
pub(super) fn listing(
    text: &str,
    name: &str,
    images: &[ImageEntry],
    classes: &Classes,
) -> Option<Result<Listing, String>> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    let titles: Vec<String> = first
        .split(',')
        .map(|title| title.trim().to_lowercase())
        .collect();
    if titles == ["imageid", "predictionstring"] {
        return Some(solution(text));
    }
    if first.contains([',', ';', '\t']) {
        return None;
    }
    if lines(text).all(|(line, _)| is_number(line)) {
        return Some(numbers(text, name, images, classes));
    }
    let has_two_words = first.trim().contains(char::is_whitespace);
    has_two_words.then(|| Ok(named(text, classes)))
}

/// The lines with text, and their numbers.
fn lines(text: &str) -> impl Iterator<Item = (&str, u64)> {
    let lines = text.lines().map(str::trim).zip(1..);
    lines.filter(|(line, _)| !line.is_empty())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `ImageId,PredictionString`, with `n01978287 85 1 499 272` for each object: a class and two corners.
fn solution(text: &str) -> Result<Listing, String> {
    let mut rows = Vec::new();
    let mut records = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    for record in records.records() {
        let record = record.map_err(|error| visible(&error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let name = record.get(0).unwrap_or_default().trim();
        let words: Vec<&str> = record
            .get(1)
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        for object in words.chunks(5) {
            rows.push(object_of(object, name, line));
        }
    }
    Ok(Listing::of_lines(rows))
}

fn object_of(words: &[&str], name: &str, line: u64) -> Result<Row, Bad> {
    let bad = |reason| Bad { line, reason };
    let [class, corners @ ..] = words else {
        return Err(bad(NO_BOX));
    };
    let numbers: Vec<f64> = corners
        .iter()
        .filter_map(|word| word.parse().ok())
        .collect();
    let numbers = <[f64; 4]>::try_from(numbers).map_err(|_| bad(NO_BOX))?;
    Ok(Row {
        line,
        file: file(name),
        class: (*class).to_owned(),
        extent: Some(Extent::Pixels(window(numbers, true).map_err(bad)?)),
    })
}

/// A number for each image, in natural order of the names.
fn numbers(
    text: &str,
    name: &str,
    images: &[ImageEntry],
    classes: &Classes,
) -> Result<Listing, String> {
    let found = lines(text).count();
    if found != images.len() {
        return Err(format!(
            "it has {} and no names, for {}; without names it needs one for each image, in natural order",
            count(found, "number"),
            count(images.len(), "image")
        ));
    }
    let rows = lines(text).zip(images).map(|((number, line), image)| {
        let path = std::path::absolute(&image.path);
        Ok(Row {
            line,
            file: path.unwrap_or_else(|_| image.path.to_path_buf()),
            class: number.to_owned(),
            extent: None,
        })
    });
    let mut listing = Listing::of_lines(rows.collect());
    listing.notes.push(
        "it has numbers without names, and it is a guess that they are of the images in natural order"
            .to_owned(),
    );
    from_one(&mut listing, classes);
    if name.to_lowercase().contains("ilsvrc") {
        listing.notes.push(
            "the challenge numbers its classes in another order than networks do, by its meta.mat; if these are its numbers, they say the wrong classes"
                .to_owned(),
        );
    }
    Ok(listing)
}

/// A file and a class a line, with a space between them.
fn named(text: &str, classes: &Classes) -> Listing {
    let rows = lines(text).filter_map(|(text, line)| {
        let Some((name, class)) = split(text, classes) else {
            return Some(Err(Bad {
                line,
                reason: "it is not a file and a class",
            }));
        };
        let (title, kind) = (name.to_lowercase(), class.to_lowercase());
        if FILES.contains(&title.as_str()) && CLASSES.contains(&kind.as_str()) {
            return None;
        }
        Some(Ok(Row {
            line,
            file: file(name),
            class: class.to_owned(),
            extent: None,
        }))
    });
    let mut listing = Listing::of_lines(rows.collect());
    from_one(&mut listing, classes);
    listing
}

/// Where the class begins: with the longest name of a class at the end, else with the last word.
fn split<'a>(line: &'a str, classes: &Classes) -> Option<(&'a str, &'a str)> {
    let spaces = line.match_indices(char::is_whitespace).map(|(at, _)| at);
    let mut parts = spaces
        .filter_map(|at| line.split_at_checked(at))
        .map(|(name, class)| (name.trim_end(), class.trim_start()));
    let named = parts.find(|(_, class)| classes.has_name(class));
    let last = || line.rsplit_once(char::is_whitespace);
    named
        .or_else(last)
        .map(|(name, class)| (name.trim_end(), class))
}

/// Takes one off each number, where they are from 1 to the number of classes and mean no names.
fn from_one(listing: &mut Listing, classes: &Classes) {
    let numbers: Option<Vec<usize>> = listing
        .rows
        .iter()
        .flatten()
        .map(|row| {
            row.class
                .parse()
                .ok()
                .filter(|_| !classes.has_name(&row.class))
        })
        .collect();
    let Some(numbers) = numbers else { return };
    let is_from_one = !numbers.contains(&0) && numbers.iter().max() == Some(&classes.count);
    if !is_from_one {
        return;
    }
    let rows = listing.rows.iter_mut().flatten();
    for (row, number) in rows.zip(numbers) {
        row.class = (number - 1).to_string();
    }
    listing.notes.push(format!(
        "its numbers go up to {}, so that 1 is taken for the first class",
        classes.count
    ));
}
