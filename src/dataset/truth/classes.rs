//! Classes: which class of the model a name or a number in a truth means.

use std::collections::HashMap;

use crate::text::visible;

/// The classes of a model, by name and by number.
#[derive(Debug)]
pub struct Classes {
    by_name: HashMap<String, Vec<usize>>,
    pub(super) count: usize,
}

/// Why a text is no class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoClass {
    Unknown,
    /// These classes share the name.
    Several(Vec<usize>),
}

impl Classes {
    /// `labels` has one for each class, in order. A label that begins with a WordNet id is known by
    /// the id and by the rest as well: `n01440764 tench`.
    #[must_use]
    pub fn new(labels: &[String]) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (class, label) in labels.iter().enumerate() {
            let name = plain(label);
            for part in wordnet(&name).into_iter().flatten() {
                by_name.entry(part.to_owned()).or_default().push(class);
            }
            by_name.entry(name).or_default().push(class);
        }
        Self {
            by_name,
            count: labels.len(),
        }
    }

    /// A class by its name, in any case and with `_` for a space; else by its number.
    pub(super) fn find(&self, text: &str) -> Result<usize, NoClass> {
        match self.by_name.get(&plain(text)).map(Vec::as_slice) {
            Some([class]) => Ok(*class),
            Some(several) => Err(NoClass::Several(several.to_vec())),
            None => match text.trim().parse() {
                Ok(class) if class < self.count => Ok(class),
                _ => Err(NoClass::Unknown),
            },
        }
    }

    /// Whether a name is a class's, and no number.
    pub(super) fn has_name(&self, text: &str) -> bool {
        self.by_name.contains_key(&plain(text))
    }
}

/// A name as it is compared: in lower case and with spaces for `_`.
pub(in crate::dataset) fn plain(name: &str) -> String {
    visible(name.trim()).to_lowercase().replace('_', " ")
}

/// The WordNet id at the beginning of a plain name, and the rest of it.
fn wordnet(name: &str) -> Option<[&str; 2]> {
    let (id, rest) = name.split_once([' ', ':', ','])?;
    let digits = id.strip_prefix('n')?;
    let rest = rest.trim_start_matches([' ', ':', ',']);
    let is_id = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_id && !rest.is_empty()).then_some([id, rest])
}
