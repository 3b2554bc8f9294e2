//! Objects of a pickle: plain values, tensors that are not read yet, and names of everything else.
//!
//! They lie in one list and name each other by their places in it, so that cycles, which pickles can
//! have, are harmless.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::Value;
use tch::Kind;

use super::PickleError;
use crate::model::mapped::Strided;

/// Deeper nested than any checkpoint.
const MAX_DEPTH: usize = 64;
/// More tensors than any checkpoint has.
const MAX_TENSORS: usize = 1 << 17;
/// Longer names, all together, than any checkpoint has.
const MAX_NAMES: usize = 64 << 20;

/// A place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(pub(super) usize);

#[derive(Debug)]
pub(super) enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    /// Bytes, whole numbers of more than 64 bits, sets: nothing that a model is made of.
    Opaque,
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// "torch._utils._rebuild_tensor_v2".
    Global(Box<str>),
    Storage(Box<Storage>),
    Tensor(Box<Stored>),
    Instance(Box<Instance>),
}

/// An object of a class that is only a name here.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) state: Option<Id>,
    /// Where the class is a kind of dictionary.
    pub(super) pairs: Vec<(Id, Id)>,
}

/// A row of numbers in the file.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) element: Element,
    /// The first number of it that is meant, and how many.
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Storage {
    /// The bytes that it needs, where so many are there.
    ///
    /// # Errors
    /// When there are fewer.
    pub(super) fn check_length(&self, found: usize) -> Result<usize, PickleError> {
        let count = self.first.checked_add(self.count);
        let needed = count
            .and_then(|count| count.checked_mul(self.element.size()))
            .ok_or_else(|| PickleError::new("its storage is too long"))?;
        if needed > found {
            return Err(PickleError(format!(
                "its storage is said to have {needed} bytes and has {found}"
            )));
        }
        Ok(needed)
    }
}

/// A tensor that is not read yet.
#[derive(Clone, Debug)]
pub struct Stored {
    pub(super) storage: Storage,
    pub element: Element,
    /// Sizes and strides in numbers.
    pub layout: Strided,
    /// Why its numbers are no plain numbers: it is quantised, or sparse.
    pub unreadable: Option<&'static str>,
}

/// The type of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    Known(Kind),
    /// The name of another one, and its size in bytes.
    Other(Box<str>, usize),
}

impl Element {
    /// Of a storage's class or of a type: `FloatStorage`, `float32`.
    pub(super) fn of(name: &str) -> Self {
        let kind = match name {
            "FloatStorage" | "float32" => Kind::Float,
            "HalfStorage" | "float16" => Kind::Half,
            "BFloat16Storage" | "bfloat16" => Kind::BFloat16,
            "DoubleStorage" | "float64" => Kind::Double,
            "LongStorage" | "int64" => Kind::Int64,
            "IntStorage" | "int32" => Kind::Int,
            "ShortStorage" | "int16" => Kind::Int16,
            "CharStorage" | "int8" => Kind::Int8,
            "ByteStorage" | "UntypedStorage" | "uint8" => Kind::Uint8,
            "BoolStorage" | "bool" => Kind::Bool,
            _ => {
                let size = match name {
                    "ComplexDoubleStorage" | "complex128" => 16,
                    "ComplexFloatStorage" | "complex64" | "uint64" => 8,
                    "QInt32Storage" | "uint32" | "complex32" => 4,
                    "uint16" => 2,
                    _ => 1,
                };
                return Self::Other(name.trim_end_matches("Storage").into(), size);
            }
        };
        Self::Known(kind)
    }

    /// In bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Known(kind) => kind.elt_size_in_bytes(),
            Self::Other(_, size) => *size,
        }
    }

    /// Whether weights are made of it.
    pub fn is_floating_point(&self) -> bool {
        matches!(
            self,
            Self::Known(Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double)
        )
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(kind) => write!(f, "{kind:?}"),
            Self::Other(name, _) => f.write_str(&crate::text::visible(name)),
        }
    }
}

/// All objects of a pickle.
#[derive(Debug, Default)]
pub(super) struct Objects {
    all: Vec<Object>,
    pub(super) root: Option<Id>,
}

impl Objects {
    pub(super) fn add(&mut self, object: Object) -> Id {
        self.all.push(object);
        Id(self.all.len() - 1)
    }

    pub(super) fn get(&self, id: Id) -> &Object {
        self.all.get(id.0).unwrap_or(&Object::None)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Object> {
        self.all.get_mut(id.0)
    }

    fn root(&self) -> &Object {
        self.root.map_or(&Object::None, |root| self.get(root))
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Object::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Members of a list or tuple.
    pub(super) fn items(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::List(items) | Object::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn ints(&self, id: Id) -> Option<Vec<i64>> {
        self.items(id)?.iter().map(|item| self.int(*item)).collect()
    }

    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.all.iter().filter_map(|object| match object {
            Object::Storage(storage) => Some(&**storage),
            _ => None,
        })
    }

    /// The texts of the outermost list.
    pub(super) fn texts(&self) -> Vec<String> {
        let items = self.root.and_then(|root| self.items(root));
        let texts = items.unwrap_or_default().iter();
        texts
            .filter_map(|item| self.text(*item).map(str::to_owned))
            .collect()
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.root() {
            Object::List(_) | Object::Tuple(_) => "a list",
            Object::Dict(_) => "a dictionary",
            Object::Tensor(_) => "a single tensor",
            Object::Instance(_) | Object::Global(_) => "an object of a class of its own",
            _ => "a plain value",
        }
    }

    pub(super) fn tensors(&self) -> Result<BTreeMap<String, Stored>, PickleError> {
        let mut names = Names {
            objects: self,
            found: BTreeMap::new(),
            steps: 0,
            letters: 0,
        };
        match self.root.map(|root| (root, self.get(root))) {
            // Scripts save a state dict together with the optimizer's, without giving names.
            Some((_, Object::List(items) | Object::Tuple(items))) => {
                for (index, item) in items.iter().enumerate() {
                    if matches!(self.get(*item), Object::Dict(_) | Object::Instance(_)) {
                        names.visit(*item, &index.to_string(), 1)?;
                    }
                }
            }
            Some((root, _)) => names.visit(root, "", 0)?,
            None => {}
        }
        Ok(names.found)
    }

    pub(super) fn value(&self, key: &str) -> Option<Value> {
        let Object::Dict(pairs) = self.root() else {
            return None;
        };
        let (_, value) = pairs
            .iter()
            .find(|(name, _)| self.text(*name) == Some(key))?;
        self.plain(*value, 0)
    }

    /// Lists of plain values, and dictionaries of them.
    fn plain(&self, id: Id, depth: usize) -> Option<Value> {
        if depth > 2 {
            return None;
        }
        Some(match self.get(id) {
            Object::Bool(value) => Value::from(*value),
            Object::Int(value) => Value::from(*value),
            Object::Float(value) => Value::from(*value),
            Object::Text(value) => Value::from(&**value),
            Object::List(items) | Object::Tuple(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.plain(*item, depth + 1))
                    .collect::<Option<_>>()?,
            ),
            Object::Dict(pairs) => Value::Object(
                pairs
                    .iter()
                    .map(|(key, value)| Some((self.key(*key)?, self.plain(*value, depth + 1)?)))
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }

    /// The name that a key of a dictionary gives.
    fn key(&self, id: Id) -> Option<String> {
        match self.get(id) {
            // A dot cannot stand in a name of TorchScript, and tch writes this in its place.
            Object::Text(text) => Some(text.replace('|', ".")),
            Object::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Gives names to tensors.
struct Names<'a> {
    objects: &'a Objects,
    found: BTreeMap<String, Stored>,
    steps: usize,
    letters: usize,
}

impl Names<'_> {
    fn visit(&mut self, id: Id, name: &str, depth: usize) -> Result<(), PickleError> {
        self.steps += 1;
        if depth > MAX_DEPTH || self.steps > 16 * MAX_TENSORS {
            return Err(PickleError::new("it is nested deeper than any checkpoint"));
        }
        let objects = self.objects;
        match objects.get(id) {
            Object::Tensor(tensor) if !name.is_empty() => {
                self.letters += name.len();
                if self.found.len() > MAX_TENSORS || self.letters > MAX_NAMES {
                    return Err(PickleError::new("it has more tensors than any checkpoint"));
                }
                self.found.insert(name.to_owned(), (**tensor).clone());
            }
            Object::Dict(pairs) => self.visit_pairs(pairs, name, depth)?,
            Object::Instance(instance) => {
                self.visit_pairs(&instance.pairs, name, depth)?;
                if let Some(Object::Dict(state)) = instance.state.map(|state| objects.get(state)) {
                    self.visit_state(state, name, depth)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_pairs(
        &mut self,
        pairs: &[(Id, Id)],
        name: &str,
        depth: usize,
    ) -> Result<(), PickleError> {
        for (key, value) in pairs {
            let holds = matches!(
                self.objects.get(*value),
                Object::Tensor(_) | Object::Dict(_) | Object::Instance(_)
            );
            if !holds {
                continue;
            }
            if let Some(key) = self.objects.key(*key) {
                if key.len() > 4096 {
                    return Err(PickleError::new("a key is longer than any weight's name"));
                }
                let name = if name.is_empty() {
                    key
                } else {
                    format!("{name}.{key}")
                };
                self.visit(*value, &name, depth + 1)?;
            }
        }
        Ok(())
    }

    /// A module has its weights, buffers and modules in dictionaries of their own, whose names are
    /// no parts of a weight's name.
    fn visit_state(
        &mut self,
        state: &[(Id, Id)],
        name: &str,
        depth: usize,
    ) -> Result<(), PickleError> {
        const PARTS: [&str; 3] = ["_parameters", "_buffers", "_modules"];
        let objects = self.objects;
        let parts: HashMap<&str, Id> = state
            .iter()
            .filter_map(|(key, value)| Some((objects.text(*key)?, *value)))
            .filter(|(key, _)| PARTS.contains(key))
            .collect();
        if parts.is_empty() {
            return self.visit_pairs(state, name, depth);
        }
        for part in PARTS {
            if let Some(Object::Dict(pairs)) = parts.get(part).map(|id| objects.get(*id)) {
                self.visit_pairs(pairs, name, depth + 1)?;
            }
        }
        Ok(())
    }
}
