//! Weights with their batch normalization folded in, as oneDNN's kernels read them.

use std::collections::HashMap;
use std::rc::Rc;

use tch::{Kind, Tensor};

use crate::model::dispatch::{Argument, DispatchError, Operator, release, trim_heap};
use crate::model::graph::ValueId;

/// What becomes of a weight and a bias.
#[derive(Debug)]
pub(super) struct Packer {
    /// Puts the weight into oneDNN's order.
    pub(super) reorder: Rc<Operator>,
    pub(super) weight: ValueId,
    pub(super) bias: Option<ValueId>,
    /// What the fused operation names as its bias: of a convolution without one, a constant of the
    /// batch normalization.
    pub(super) shown_bias: Option<ValueId>,
    pub(super) norm: Option<Norm>,
    /// Of a convolution: padding, stride and dilation, and the number of groups.
    pub(super) geometry: Option<([[i64; 2]; 3], i64)>,
}

/// A batch normalization by running statistics, by the graph's constants.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) weight: Option<ValueId>,
    pub(super) bias: Option<ValueId>,
    pub(super) mean: ValueId,
    pub(super) variance: ValueId,
    pub(super) eps: f64,
}

/// A weight and a bias by the constants that they stand for.
#[derive(Debug)]
pub(super) struct Packed {
    weight: (ValueId, Tensor),
    bias: Option<(ValueId, Tensor)>,
}

impl Packed {
    pub(super) fn get(&self, id: ValueId) -> Option<&Tensor> {
        let both = [Some(&self.weight), self.bias.as_ref()];
        both.into_iter()
            .flatten()
            .find(|(named, _)| *named == id)
            .map(|(_, tensor)| tensor)
    }
}

impl Norm {
    /// One of its constants.
    pub(super) fn any(&self) -> ValueId {
        self.mean
    }
}

impl Packer {
    /// Packs, for inputs such as this one.
    pub(super) fn pack(
        &self,
        constants: &HashMap<ValueId, Tensor>,
        input: Option<&Tensor>,
    ) -> Result<Packed, DispatchError> {
        let failed = |message: &str| DispatchError {
            operator: self.reorder.name().to_owned(),
            message: message.to_owned(),
        };
        let get = |id: ValueId| {
            constants
                .get(&id)
                .ok_or_else(|| failed("a weight is not there"))
        };
        let raw = get(self.weight)?;
        let bias = self.bias.map(get).transpose()?;
        let (weight, bias) = match &self.norm {
            None => (raw.shallow_clone(), bias.map(Tensor::shallow_clone)),
            Some(norm) => {
                let [weight, shift] = [norm.weight, norm.bias].map(|id| id.map(get).transpose());
                let norm = Statistics {
                    weight: weight?,
                    bias: shift?,
                    mean: get(norm.mean)?,
                    variance: get(norm.variance)?,
                    eps: norm.eps,
                };
                let (weight, bias) = tch::no_grad(|| norm.folded(raw, bias))
                    .map_err(|error| failed(&error.to_string()))?;
                (weight, Some(bias))
            }
        };
        let size = input.map(Tensor::size).unwrap_or_default();
        let packed = tch::no_grad(|| self.reordered(&weight, &size))?;
        drop(weight);
        release(raw);
        trim_heap();
        Ok(Packed {
            weight: (self.weight, packed),
            bias: self.shown_bias.zip(bias),
        })
    }

    fn reordered(&self, weight: &Tensor, size: &[i64]) -> Result<Tensor, DispatchError> {
        let mut arguments = vec![("self", Argument::Tensor(weight))];
        if let Some(([padding, stride, dilation], groups)) = &self.geometry {
            arguments.extend([
                ("padding", Argument::Ints(padding)),
                ("stride", Argument::Ints(stride)),
                ("dilation", Argument::Ints(dilation)),
                ("groups", Argument::Int(*groups)),
                ("input_size", Argument::Ints(size)),
            ]);
        } else {
            let rows = size.iter().rev().skip(1).product();
            arguments.push(("batch_size", Argument::Int(rows)));
        }
        let failed = |message: &str| DispatchError {
            operator: self.reorder.name().to_owned(),
            message: message.to_owned(),
        };
        let arguments = arguments
            .into_iter()
            .map(|(name, argument)| {
                let position = self.reorder.position(name);
                Ok((position.ok_or_else(|| failed(name))?, argument))
            })
            .collect::<Result<Vec<_>, DispatchError>>()?;
        let made = self.reorder.call(&arguments)?.into_iter().next();
        made.ok_or_else(|| failed("it made no tensor"))
    }
}

/// The numbers of a batch normalization, each `[channels]`.
struct Statistics<'a> {
    weight: Option<&'a Tensor>,
    bias: Option<&'a Tensor>,
    mean: &'a Tensor,
    variance: &'a Tensor,
    eps: f64,
}

impl Statistics<'_> {
    /// Weight and bias of a convolution `[c_out, c_in / groups, height, width]` with this
    /// normalization after it.
    fn folded(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor), tch::TchError> {
        let double = |tensor: &Tensor| tensor.f_to_kind(Kind::Double);
        let mut scale = double(self.variance)?.f_add_scalar(self.eps)?.f_rsqrt()?;
        if let Some(weight) = self.weight {
            scale = scale.f_mul(&double(weight)?)?;
        }
        let mut shift = double(self.mean)?.f_neg()?;
        if let Some(bias) = bias {
            shift = shift.f_add(&double(bias)?)?;
        }
        shift = shift.f_mul(&scale)?;
        if let Some(bias) = self.bias {
            shift = shift.f_add(&double(bias)?)?;
        }
        let kind = weight.kind();
        let scale = scale.f_view([-1, 1, 1, 1])?;
        let mut folded = double(weight)?;
        Ok((
            folded.f_mul_(&scale)?.f_to_kind(kind)?,
            shift.f_to_kind(kind)?,
        ))
    }
}
