//! Precision: the numbers that a network computes with.
//!
//! Weights and images are float32. GPUs, and processors with instructions for it, multiply numbers of
//! 16 bits several times as fast: bfloat16 (8 bits of exponent, as float32 has, and 8 of mantissa)
//! rounds each to 3 digits; float16 (5 bits of exponent, 11 of mantissa) to 4, and what is above
//! 65,504 or below 6e-8 is lost. `docs/performance.md` has what that gains and what it changes.

use std::rc::Rc;
use std::str::FromStr;

use tch::{Device, Kind, Tensor};

use super::dispatch::{DispatchError, Operator, release};
use super::graph::{Graph, Node, Operand, ValueId};

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrecisionChoice {
    /// float32: 16 bits move the probabilities, and which of two speeds is right is the user's to
    /// say.
    #[default]
    Auto,
    F32,
    Bf16,
    F16,
}

/// What a network computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    F32,
    Bf16,
    F16,
}

/// Why 16 bits make no sense here.
#[derive(Debug, thiserror::Error)]
pub enum PrecisionError {
    #[error(
        "this processor has no instructions for bfloat16, so it would be slower than float32; leave --precision bf16 out"
    )]
    Processor,
    #[error(
        "float16 is for GPUs, and the device is cpu; leave --precision f16 out, or add --device cuda"
    )]
    NoGpu,
    #[error("the network does not run with {name} ({reason}); leave --precision {name} out")]
    Network { name: &'static str, reason: String },
}

impl FromStr for PrecisionChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "f16" => Ok(Self::F16),
            _ => Err("expected auto, f32, bf16 or f16".to_owned()),
        }
    }
}

impl Precision {
    /// The precision to use on a device.
    ///
    /// # Errors
    /// When 16 bits were asked for and are no gain there.
    pub fn choose(choice: PrecisionChoice, device: Device) -> Result<Self, PrecisionError> {
        match (choice, device) {
            (PrecisionChoice::Auto | PrecisionChoice::F32, _) => Ok(Self::F32),
            (PrecisionChoice::Bf16, Device::Cpu) if processor_has_bfloat16() => Ok(Self::Bf16),
            (PrecisionChoice::Bf16, Device::Cpu) => Err(PrecisionError::Processor),
            (PrecisionChoice::Bf16, _) => Ok(Self::Bf16),
            (PrecisionChoice::F16, Device::Cpu) => Err(PrecisionError::NoGpu),
            (PrecisionChoice::F16, _) => Ok(Self::F16),
        }
    }

    /// "f32", "bf16" or "f16".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
            Self::F16 => Kind::Half,
        }
    }

    /// The kind as c10 numbers it.
    fn number(self) -> i64 {
        match self {
            Self::F32 => FLOAT,
            Self::Bf16 => 15,
            Self::F16 => 5,
        }
    }
}

/// Whether the processor multiplies numbers of bfloat16 itself.
#[must_use]
pub fn processor_has_bfloat16() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(target_arch = "aarch64")]
    let has = std::arch::is_aarch64_feature_detected!("bf16");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
}

const FLOAT: i64 = 6;

impl Graph {
    /// Makes the network compute with a precision, from images and to logits of float32. The last
    /// linear layer stays as it is: it costs little, and logits have more digits than 16 bits.
    ///
    /// # Errors
    /// When the network does not run on such an input `[1, 3, height, width]` then.
    pub fn compute_with(
        &mut self,
        precision: Precision,
        input: &Tensor,
    ) -> Result<(), PrecisionError> {
        let refused = |error: &dyn std::fmt::Display| PrecisionError::Network {
            name: precision.name(),
            reason: error.to_string(),
        };
        self.round(precision).map_err(|error| refused(&error))?;
        drop(super::run::logits(self, input).map_err(|error| refused(&error))?);
        Ok(())
    }

    fn round(&mut self, precision: Precision) -> Result<(), DispatchError> {
        let cast = Rc::new(Operator::find("aten::to", "dtype")?);
        let head = self.head();
        let kept: Vec<ValueId> = head
            .and_then(|index| self.nodes.get(index))
            .map(|node| node.reads().skip(1).collect())
            .unwrap_or_default();
        for (id, tensor) in &mut self.constants {
            if tensor.kind() == Kind::Float && !kept.contains(id) {
                let rounded =
                    tensor
                        .f_to_kind(precision.kind())
                        .map_err(|error| DispatchError {
                            operator: cast.name().to_owned(),
                            message: error.to_string(),
                        })?;
                release(tensor);
                *tensor = rounded;
            }
        }
        self.kinds_become(precision);
        let rounded = self.fresh();
        for node in &mut self.nodes {
            node.read_instead(self.input, rounded);
        }
        let first = cast_node(&cast, self.input, precision.number(), rounded)?;
        let widened = self.fresh();
        if let Some(index) = head {
            let features = self.nodes[index].reads().next().unwrap_or(rounded);
            self.nodes[index].read_instead(features, widened);
            self.nodes
                .insert(index, cast_node(&cast, features, FLOAT, widened)?);
        } else {
            let last = cast_node(&cast, self.output, FLOAT, widened)?;
            self.nodes.push(last);
            self.output = widened;
        }
        self.nodes.insert(0, first);
        Ok(())
    }

    /// The linear layer that makes the logits.
    fn head(&self) -> Option<usize> {
        let index = self
            .nodes
            .iter()
            .rposition(|node| node.outputs == [self.output])?;
        let node = &self.nodes[index];
        let of_constants = node
            .reads()
            .skip(1)
            .all(|value| self.constants.contains_key(&value));
        (node.operator.name() == "aten::linear" && of_constants).then_some(index)
    }

    /// Programs name the kind of what they make.
    fn kinds_become(&mut self, precision: Precision) {
        for node in &mut self.nodes {
            if let Some(position) = node.operator.position("dtype") {
                for (at, operand) in &mut node.operands {
                    if *at == position && *operand == Operand::Int(FLOAT) {
                        *operand = Operand::Int(precision.number());
                    }
                }
            }
        }
    }

    fn fresh(&mut self) -> ValueId {
        self.values += 1;
        ValueId(self.values - 1)
    }
}

impl Node {
    fn read_instead(&mut self, old: ValueId, new: ValueId) {
        for (_, operand) in &mut self.operands {
            match operand {
                Operand::Value(id) if *id == old => *id = new,
                Operand::Values(ids) => {
                    for id in ids.iter_mut().flatten().filter(|id| **id == old) {
                        *id = new;
                    }
                }
                _ => {}
            }
        }
    }
}

/// A node that changes the kind of a value.
fn cast_node(
    cast: &Rc<Operator>,
    from: ValueId,
    kind: i64,
    to: ValueId,
) -> Result<Node, DispatchError> {
    let position = |name: &str| {
        cast.position(name).ok_or_else(|| DispatchError {
            operator: cast.name().to_owned(),
            message: format!("the operator has no argument {name}"),
        })
    };
    Ok(Node {
        operator: Rc::clone(cast),
        operands: vec![
            (position("self")?, from.into()),
            (position("dtype")?, kind.into()),
        ],
        outputs: vec![to],
    })
}

#[cfg(test)]
mod tests;
