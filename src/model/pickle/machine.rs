//! The machine that a pickle is a program for: `Lib/pickletools.py` of Python lists its operations,
//! protocols 0 to 5.
//!
//! It makes the objects of [`super::objects`] and calls nothing: of the functions that a pickle may
//! name, it knows what those of PyTorch do that put a tensor together from its storage, and the
//! classes of dictionaries; a call of any other leaves an object that only has a state.

use std::collections::HashMap;
use std::io::Read;

use super::PickleError;
use super::objects::{Element, Id, Instance, Object, Objects, Storage, Stored};
use crate::model::mapped::Strided;

/// A pickle longer than this is no checkpoint's: the numbers of the weights are outside of it.
const MAX_BYTES: u64 = 128 << 20;
/// How often one rebuilding function can stand in the arguments of another.
const MAX_NESTED_CALLS: usize = 8;

/// Runs the pickle at the reader's place, and says how many bytes it has.
pub(super) fn run(reader: impl Read) -> Result<(Objects, u64), PickleError> {
    let mut machine = Machine {
        input: Input {
            reader: reader.take(MAX_BYTES),
        },
        objects: Objects::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        copied: 0,
    };
    while machine.step()? {}
    let read = MAX_BYTES - machine.input.reader.limit();
    Ok((machine.objects, read))
}

struct Input<R> {
    reader: std::io::Take<R>,
}

impl<R: Read> Input<R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let mut bytes = [0; N];
        self.reader
            .read_exact(&mut bytes)
            .map_err(|_| self.ended())?;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u64, PickleError> {
        Ok(u64::from(u32::from_le_bytes(self.array()?)))
    }

    fn u64(&mut self) -> Result<u64, PickleError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The memory grows with what is there, not with what is announced.
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, PickleError> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(length).read_to_end(&mut bytes);
        if read.is_ok_and(|read| read as u64 == length) {
            Ok(bytes)
        } else {
            Err(self.ended())
        }
    }

    /// Up to the end of the line, which is left out.
    fn line(&mut self) -> Result<String, PickleError> {
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return text(bytes),
                byte => bytes.push(byte),
            }
        }
    }

    fn ended(&self) -> PickleError {
        if self.reader.limit() == 0 {
            PickleError::new("its pickle is longer than any checkpoint's")
        } else {
            PickleError::new("its pickle ends too early")
        }
    }
}

fn text(bytes: Vec<u8>) -> Result<String, PickleError> {
    String::from_utf8(bytes).map_err(|_| PickleError::new("its pickle has text that is no UTF-8"))
}

struct Machine<R> {
    input: Input<R>,
    objects: Objects,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// How many pairs were copied from one object to another.
    copied: usize,
}

impl<R: Read> Machine<R> {
    /// Performs one operation; false after the last.
    fn step(&mut self) -> Result<bool, PickleError> {
        match self.input.byte()? {
            b'.' => {
                self.objects.root = Some(self.pop()?);
                return Ok(false);
            }
            // PROTO and FRAME say nothing that matters here.
            0x80 => {
                self.input.byte()?;
            }
            0x95 => {
                self.input.u64()?;
            }
            operation => {
                if !self.scalar(operation)? && !self.container(operation)? {
                    self.other(operation)?;
                }
            }
        }
        Ok(true)
    }

    /// Operations that push a plain value.
    fn scalar(&mut self, operation: u8) -> Result<bool, PickleError> {
        let object = match operation {
            b'N' => Object::None,
            0x88 => Object::Bool(true),
            0x89 => Object::Bool(false),
            b'I' => match self.input.line()?.as_str() {
                "00" => Object::Bool(false),
                "01" => Object::Bool(true),
                number => whole(number),
            },
            b'L' => whole(self.input.line()?.trim_end_matches('L')),
            b'J' => Object::Int(i64::from(i32::from_le_bytes(self.input.array()?))),
            b'K' => Object::Int(i64::from(self.input.byte()?)),
            b'M' => Object::Int(i64::from(u16::from_le_bytes(self.input.array()?))),
            0x8a => {
                let length = u64::from(self.input.byte()?);
                long(&self.input.bytes(length)?)
            }
            0x8b => {
                let length = self.input.u32()?;
                long(&self.input.bytes(length)?)
            }
            b'F' => Object::Float(self.input.line()?.parse().unwrap_or(f64::NAN)),
            b'G' => Object::Float(f64::from_be_bytes(self.input.array()?)),
            b'S' => Object::Text(self.input.line()?.trim_matches(['\'', '"']).into()),
            b'V' => Object::Text(self.input.line()?.into()),
            b'X' => {
                let length = self.input.u32()?;
                Object::Text(text(self.input.bytes(length)?)?.into())
            }
            0x8c => {
                let length = u64::from(self.input.byte()?);
                Object::Text(text(self.input.bytes(length)?)?.into())
            }
            0x8d => {
                let length = self.input.u64()?;
                Object::Text(text(self.input.bytes(length)?)?.into())
            }
            // Strings of Python 2 are text where they can be.
            b'T' => {
                let length = self.input.u32()?;
                old_text(self.input.bytes(length)?)
            }
            b'U' => {
                let length = u64::from(self.input.byte()?);
                old_text(self.input.bytes(length)?)
            }
            b'B' => {
                let length = self.input.u32()?;
                self.skip(length)?
            }
            b'C' => {
                let length = u64::from(self.input.byte()?);
                self.skip(length)?
            }
            0x8e | 0x96 => {
                let length = self.input.u64()?;
                self.skip(length)?
            }
            _ => return Ok(false),
        };
        self.push(object);
        Ok(true)
    }

    fn skip(&mut self, length: u64) -> Result<Object, PickleError> {
        self.input.bytes(length)?;
        Ok(Object::Opaque)
    }

    /// Operations that make or fill a container.
    fn container(&mut self, operation: u8) -> Result<bool, PickleError> {
        match operation {
            b']' => self.push(Object::List(Vec::new())),
            b')' => self.push(Object::Tuple(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            0x8f => self.push(Object::Opaque),
            b'l' => {
                let items = self.since_mark()?;
                self.push(Object::List(items));
            }
            b't' => {
                let items = self.since_mark()?;
                self.push(Object::Tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(operation - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or_else(underflow)?;
                let items = self.stack.split_off(start);
                self.push(Object::Tuple(items));
            }
            b'd' => {
                let items = self.since_mark()?;
                self.push(Object::Dict(pairs(&items)?));
            }
            0x91 => {
                self.since_mark()?;
                self.push(Object::Opaque);
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(&items)?;
            }
            // A set's members are of no use here.
            0x90 => {
                self.since_mark()?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.insert(&items)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Operations on the stack and the memo, and those that name and build objects.
    fn other(&mut self, operation: u8) -> Result<(), PickleError> {
        match operation {
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.since_mark()?;
            }
            b'2' => self.stack.push(self.top()?),
            b'g' => {
                let key = number(&self.input.line()?)?;
                self.recall(key)?;
            }
            b'h' => {
                let key = u64::from(self.input.byte()?);
                self.recall(key)?;
            }
            b'j' => {
                let key = self.input.u32()?;
                self.recall(key)?;
            }
            b'p' => {
                let key = number(&self.input.line()?)?;
                self.remember(key)?;
            }
            b'q' => {
                let key = u64::from(self.input.byte()?);
                self.remember(key)?;
            }
            b'r' => {
                let key = self.input.u32()?;
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len() as u64)?,
            b'c' => {
                let module = self.input.line()?;
                let name = self.input.line()?;
                self.push(Object::Global(format!("{module}.{name}").into()));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let name = self.objects.text(module).zip(self.objects.text(name));
                let (module, name) = name.ok_or_else(|| PickleError::new("a name is no text"))?;
                let global = Object::Global(format!("{module}.{name}").into());
                self.push(global);
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let made = self.call(function, arguments, 0)?;
                self.stack.push(made);
            }
            0x92 => {
                self.pop()?;
                let (arguments, function) = (self.pop()?, self.pop()?);
                let made = self.call(function, arguments, 0)?;
                self.stack.push(made);
            }
            b'i' => {
                self.input.line()?;
                self.input.line()?;
                self.since_mark()?;
                self.instance();
            }
            b'o' => {
                self.since_mark()?;
                self.instance();
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                if let Some(Object::Instance(instance)) = self.objects.get_mut(object) {
                    instance.state = Some(state);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                let made = self.persistent(id)?;
                self.stack.push(made);
            }
            operation => {
                return Err(PickleError(format!(
                    "its pickle has the operation {operation:#04x}, which torch.save does not write"
                )));
            }
        }
        Ok(())
    }

    fn push(&mut self, object: Object) {
        let id = self.objects.add(object);
        self.stack.push(id);
    }

    fn instance(&mut self) {
        self.push(Object::Instance(Box::new(Instance {
            state: None,
            pairs: Vec::new(),
        })));
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        self.stack.pop().ok_or_else(underflow)
    }

    fn top(&self) -> Result<Id, PickleError> {
        self.stack.last().copied().ok_or_else(underflow)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(underflow)?;
        if mark > self.stack.len() {
            return Err(underflow());
        }
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, key: u64) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), PickleError> {
        let id = self.memo.get(&key);
        let id = id.ok_or_else(|| PickleError::new("its pickle recalls what it has not noted"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let list = self.top()?;
        // What is appended to an object of another class is of no use here.
        if let Some(Object::List(list)) = self.objects.get_mut(list) {
            list.extend(items);
        }
        Ok(())
    }

    fn insert(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let new = pairs(items)?;
        let container = self.top()?;
        match self.objects.get_mut(container) {
            Some(Object::Dict(pairs)) => pairs.extend(new),
            Some(Object::Instance(instance)) => instance.pairs.extend(new),
            _ => {}
        }
        Ok(())
    }

    /// What a function makes of its arguments.
    fn call(&mut self, function: Id, arguments: Id, depth: usize) -> Result<Id, PickleError> {
        if depth > MAX_NESTED_CALLS {
            return Err(PickleError::new("its pickle has calls within calls"));
        }
        let Object::Global(name) = self.objects.get(function) else {
            return Ok(self.unknown());
        };
        let items = self.objects.items(arguments).unwrap_or_default().to_vec();
        let first = items.first().copied();
        let object = match (&**name, first) {
            (
                "collections.OrderedDict"
                | "collections.defaultdict"
                | "collections.Counter"
                | "builtins.dict"
                | "__builtin__.dict",
                _,
            ) => self.dictionary(items.last().copied())?,
            (
                "torch._utils._rebuild_tensor"
                | "torch._utils._rebuild_tensor_v2"
                | "torch._utils._rebuild_tensor_v3",
                _,
            ) => {
                let element = match items.get(6).map(|element| self.objects.get(*element)) {
                    Some(Object::Global(name)) => name.strip_prefix("torch.").map(Element::of),
                    _ => None,
                };
                self.tensor(&items, element, None)?
            }
            ("torch._utils._rebuild_qtensor", _) => {
                self.tensor(&items, None, Some("it is quantised"))?
            }
            ("torch._utils._rebuild_sparse_tensor", _) => without_numbers("it is sparse"),
            (
                "torch._utils._rebuild_meta_tensor_no_storage"
                | "torch._utils._rebuild_nested_tensor",
                _,
            ) => without_numbers("it has no numbers of its own"),
            // These hand on what they are given.
            (
                "torch._utils._rebuild_parameter"
                | "torch._utils._rebuild_parameter_with_state"
                | "torch.Size"
                | "torch.jit._pickle.build_intlist"
                | "torch.jit._pickle.build_tensorlist"
                | "torch.jit._pickle.build_doublelist"
                | "torch.jit._pickle.build_boollist"
                | "torch.jit._pickle.restore_type_tag",
                Some(first),
            ) => return Ok(first),
            ("torch._tensor._rebuild_from_type_v2", Some(first)) => {
                let arguments = items.get(2).copied().unwrap_or(first);
                return self.call(first, arguments, depth + 1);
            }
            _ => return Ok(self.unknown()),
        };
        Ok(self.objects.add(object))
    }

    /// An object of which nothing is known.
    fn unknown(&mut self) -> Id {
        self.objects.add(Object::Instance(Box::new(Instance {
            state: None,
            pairs: Vec::new(),
        })))
    }

    /// A dictionary of the pairs that it is given at once, as Python 2 wrote them.
    fn dictionary(&mut self, content: Option<Id>) -> Result<Object, PickleError> {
        let given = match content.map(|content| self.objects.get(content)) {
            Some(Object::Dict(pairs)) => pairs.clone(),
            Some(Object::List(items)) => items
                .iter()
                .filter_map(|item| match self.objects.items(*item) {
                    Some([key, value]) => Some((*key, *value)),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        self.copied += given.len();
        if self.copied as u64 > MAX_BYTES / 16 {
            return Err(PickleError::new("its pickle copies without end"));
        }
        Ok(Object::Dict(given))
    }

    /// `(storage, offset, sizes, strides, …)`.
    fn tensor(
        &self,
        items: &[Id],
        element: Option<Element>,
        unreadable: Option<&'static str>,
    ) -> Result<Object, PickleError> {
        let wrong = || PickleError::new("its pickle puts a tensor together in a wrong way");
        let [storage, offset, sizes, strides, ..] = items else {
            return Err(wrong());
        };
        let Object::Storage(storage) = self.objects.get(*storage) else {
            return Err(wrong());
        };
        let layout = Strided {
            sizes: self.objects.ints(*sizes).ok_or_else(wrong)?,
            strides: self.objects.ints(*strides).ok_or_else(wrong)?,
            offset: self.objects.int(*offset).ok_or_else(wrong)?,
        };
        Ok(Object::Tensor(Box::new(Stored {
            element: element.unwrap_or_else(|| storage.element.clone()),
            storage: (**storage).clone(),
            layout,
            unreadable,
        })))
    }

    /// `("storage", class, key, device, count, view)`, or `("module", class, …)`.
    fn persistent(&mut self, id: Id) -> Result<Id, PickleError> {
        let wrong = || PickleError::new("its pickle names a storage in a wrong way");
        let items = self.objects.items(id).ok_or_else(wrong)?;
        let kind = items.first().and_then(|kind| self.objects.text(*kind));
        if kind == Some("module") {
            return items.get(1).copied().ok_or_else(wrong);
        }
        let (Some("storage"), [_, class, key, _, count, rest @ ..]) = (kind, items) else {
            return Err(wrong());
        };
        let Object::Global(class) = self.objects.get(*class) else {
            return Err(wrong());
        };
        let element = Element::of(class.rsplit('.').next().unwrap_or(class));
        let length = |id: Id| {
            let number = self.objects.int(id);
            number.and_then(|number| usize::try_from(number).ok())
        };
        let view = rest.first().and_then(|view| self.objects.items(*view));
        let (first, count) = match view {
            Some([_, first, count]) => length(*first).zip(length(*count)),
            _ => Some(0).zip(length(*count)),
        }
        .ok_or_else(wrong)?;
        let key = self.objects.text(*key).ok_or_else(wrong)?.to_owned();
        Ok(self.objects.add(Object::Storage(Box::new(Storage {
            key,
            element,
            first,
            count,
        }))))
    }
}

fn underflow() -> PickleError {
    PickleError::new("its pickle takes more from the stack than there is")
}

/// A tensor that is named, but cannot be read.
fn without_numbers(why: &'static str) -> Object {
    Object::Tensor(Box::new(Stored {
        storage: Storage {
            key: String::new(),
            element: Element::Other("none".into(), 1),
            first: 0,
            count: 0,
        },
        element: Element::Other("none".into(), 1),
        layout: Strided::default(),
        unreadable: Some(why),
    }))
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
    let (pairs, rest) = items.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    } else {
        Err(PickleError::new("its pickle has a key without a value"))
    }
}

fn number(text: &str) -> Result<u64, PickleError> {
    text.parse()
        .map_err(|_| PickleError::new("its pickle has a number that is none"))
}

fn whole(text: &str) -> Object {
    text.parse().map_or(Object::Opaque, Object::Int)
}

/// Two's complement, the lowest byte first.
fn long(bytes: &[u8]) -> Object {
    if bytes.len() > 8 {
        return Object::Opaque;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = if negative { [0xff; 8] } else { [0; 8] };
    for (to, from) in all.iter_mut().zip(bytes) {
        *to = *from;
    }
    Object::Int(i64::from_le_bytes(all))
}

fn old_text(bytes: Vec<u8>) -> Object {
    String::from_utf8(bytes).map_or(Object::Opaque, |text| Object::Text(text.into()))
}
