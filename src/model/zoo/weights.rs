//! Weights of one network under their prefix, with a record of what is not as a family expects it.

use std::collections::HashSet;

use super::FamilyError;
use crate::model::checkpoint::Checkpoint;
use crate::text::{count, visible};

/// What stands beside a network's own weights in checkpoints of training scripts.
const ASIDE: [&str; 8] = [
    "optimizer",
    "optimizer_states",
    "scheduler",
    "lr_scheduler",
    "lr_schedulers",
    "scaler",
    "ema",
    "model_ema",
];

/// What stands before the name of a module that lies beside the network, not in it.
pub(super) const BESIDE: &str = "../";

/// A view of a checkpoint. Names are the network's own, without the prefix.
#[derive(Debug)]
pub(super) struct Weights<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    prefix: String,
    used: HashSet<String>,
    missing: Vec<String>,
    reshaped: Vec<String>,
}

impl<'a> Weights<'a> {
    pub(super) fn new(checkpoint: &'a Checkpoint, prefix: String) -> Self {
        Self {
            checkpoint,
            prefix,
            used: HashSet::new(),
            missing: Vec::new(),
            reshaped: Vec::new(),
        }
    }

    pub(super) fn shape(&self, name: &str) -> Option<&'a [usize]> {
        self.checkpoint.shape(&self.key(name))
    }

    /// One length of a weight's shape.
    pub(super) fn length(&self, name: &str, axis: usize) -> Option<usize> {
        self.shape(name)?.get(axis).copied()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.shape(name).is_some()
    }

    /// All names, in the order of their bytes.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.checkpoint
            .keys()
            .filter_map(|key| key.strip_prefix(self.prefix.as_str()))
    }

    /// The names right below a module, without what follows them: of `layer1`, "0" and "1".
    /// Numbers come in their order.
    pub(super) fn children(&self, module: &str) -> Vec<&'a str> {
        let below = if module.is_empty() {
            self.prefix.clone()
        } else {
            format!("{}.", self.key(module))
        };
        let mut children: Vec<&str> = self
            .checkpoint
            .keys()
            .filter_map(|key| key.strip_prefix(below.as_str()))
            .filter_map(|rest| rest.split('.').next())
            .collect();
        children.dedup();
        children.sort_by_key(|child| (child.parse::<usize>().unwrap_or(usize::MAX), *child));
        children.dedup();
        children
    }

    /// Modules beside the network, in the module that it is a part of.
    pub(super) fn beside(&self) -> Vec<String> {
        let mut modules: Vec<String> = self
            .checkpoint
            .keys()
            .filter(|key| !key.starts_with(&self.prefix))
            .filter_map(|key| key.strip_prefix(self.parent()?))
            .filter_map(|rest| Some(format!("{BESIDE}{}", rest.split_once('.')?.0)))
            .collect();
        modules.dedup();
        modules
    }

    /// The prefix of the module that the network is a part of.
    fn parent(&self) -> Option<&str> {
        let inner = self.prefix.strip_suffix('.')?;
        Some(match inner.rfind('.') {
            Some(dot) => self.prefix.get(..=dot).unwrap_or_default(),
            None => "",
        })
    }

    /// How many modules in a row are called `module.0`, `module.1` and so on.
    pub(super) fn blocks(&self, module: &str) -> usize {
        let children = self.children(module);
        (0..children.len())
            .take_while(|index| children.contains(&index.to_string().as_str()))
            .count()
    }

    /// The checkpoint's key of a weight that the network uses. Where it is missing or of another
    /// shape than given (axes without a length may have any), that is noted for
    /// [`Weights::check`], which reports all that does not fit at once.
    pub(super) fn take(&mut self, name: &str, wanted: &[Option<usize>]) -> String {
        let key = self.key(name);
        match self.checkpoint.shape(&key) {
            None => self.missing.push(key.clone()),
            Some(found) => {
                let fits = found.len() == wanted.len()
                    && found
                        .iter()
                        .zip(wanted)
                        .all(|(length, wanted)| wanted.is_none_or(|wanted| wanted == *length));
                if !fits {
                    let needs: Vec<String> = wanted
                        .iter()
                        .map(|length| length.map_or("any".to_owned(), |n| n.to_string()))
                        .collect();
                    self.reshaped.push(format!(
                        "{} (has {found:?}, needs [{}])",
                        visible(&key),
                        needs.join(", ")
                    ));
                }
                self.used.insert(key.clone());
            }
        }
        key
    }

    /// Says that a weight is known and not needed: that of an auxiliary head, of a buffer that the
    /// graph computes itself.
    pub(super) fn skip(&mut self, belongs: impl Fn(&str) -> bool) {
        let skipped: Vec<String> = self
            .names()
            .filter(|name| belongs(name))
            .map(|name| self.key(name))
            .collect();
        self.used.extend(skipped);
    }

    /// How many weights do not fit.
    pub(super) fn misfits(&self) -> usize {
        self.missing.len() + self.reshaped.len() + self.unexpected().len()
    }

    /// Reports what is missing, of another shape, or left over under the prefix.
    pub(super) fn check(&self, family: &str) -> Result<(), FamilyError> {
        let unexpected = self.unexpected();
        let groups = [
            ("missing", &self.missing),
            ("of another shape", &self.reshaped),
            ("unexpected", &unexpected),
        ];
        let parts: Vec<String> = groups
            .iter()
            .filter(|(_, keys)| !keys.is_empty())
            .map(|(what, keys)| {
                let named = some(keys.iter().map(|key| visible(key)));
                let are = if keys.len() == 1 { "is" } else { "are" };
                format!("{} {are} {what}: {named}", count(keys.len(), "key"))
            })
            .collect();
        if parts.is_empty() {
            return Ok(());
        }
        let advice = if self.missing.is_empty() && self.reshaped.is_empty() {
            "it has parts that this family does not have, so its outputs would be wrong without them; export the model with torch.export and open the .pt2 file"
        } else {
            "save the whole model with torch.save(model.state_dict(), \"model.pth\") and check that it is this family, or export it with torch.export and open the .pt2 file"
        };
        Err(FamilyError::Misfit {
            family: family.to_owned(),
            misfit: parts.join("; "),
            advice: advice.to_owned(),
            misfits: self.misfits(),
        })
    }

    fn unexpected(&self) -> Vec<String> {
        self.names()
            .filter(|name| !name.ends_with("num_batches_tracked") && !aside(name))
            .map(|name| self.key(name))
            .filter(|key| !self.used.contains(key))
            .collect()
    }

    fn key(&self, name: &str) -> String {
        match name.strip_prefix(BESIDE) {
            Some(beside) => format!("{}{beside}", self.parent().unwrap_or_default()),
            None => format!("{}{name}", self.prefix),
        }
    }
}

/// Whether a name is that of an optimizer's state or the like, not of the network.
fn aside(name: &str) -> bool {
    name.split('.')
        .next()
        .is_some_and(|first| ASIDE.contains(&first))
}

/// The first few of a list, and how many more there are.
pub(super) fn some(items: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 3;
    let total = items.len();
    let shown = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if total > SHOWN {
        format!("{shown} and {} more", total - SHOWN)
    } else {
        shown
    }
}
