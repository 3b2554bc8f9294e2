//! Net: builds a family's graph module by module, with the names that PyTorch users know.
//!
//! Every method that names a module takes its weights by that name, notes the layer, and checks that
//! the weights fit the value they are applied to. Shapes are read from the weights wherever they
//! tell them, so a family file says only what weights do not: strides, paddings, activations.

use std::collections::HashMap;

use super::weights::Weights;
use super::{FamilyError, Network};
use crate::model::graph::{Builder, MapLayout, Operand, ValueId};
use crate::model::recipe::Recipe;

/// A first convolution of more channels reads no images, but what something else makes of them.
const MOST_CHANNELS: usize = 16;

/// The numbers of a convolution that its weight does not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    pub(super) stride: i64,
    pub(super) padding: Padding,
    pub(super) groups: usize,
    pub(super) dilation: i64,
    /// Side of the kernel, where another would be another family.
    pub(super) kernel: Option<usize>,
    /// Channels that it makes, where others would be another family.
    pub(super) c_out: Option<usize>,
}

/// What is put around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// Half the kernel on each side: the size stays but for the stride.
    Half,
    /// This many zeros on each side.
    Zeros(i64),
}

impl Default for Conv {
    fn default() -> Self {
        Self {
            stride: 1,
            padding: Padding::Half,
            groups: 1,
            dilation: 1,
            kernel: None,
            c_out: None,
        }
    }
}

impl Conv {
    pub(super) fn stride(stride: i64) -> Self {
        Self {
            stride,
            ..Self::default()
        }
    }

    pub(super) fn padding(self, zeros: i64) -> Self {
        Self {
            padding: Padding::Zeros(zeros),
            ..self
        }
    }

    pub(super) fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    pub(super) fn kernel(self, kernel: usize) -> Self {
        Self {
            kernel: Some(kernel),
            ..self
        }
    }
}

/// Numbers of a pooling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub(super) kernel: i64,
    pub(super) stride: i64,
    pub(super) padding: i64,
    /// Whether a window may hang over the edge.
    pub(super) ceil: bool,
}

/// Functions without weights, applied number by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    Identity,
    Relu,
    Relu6,
    Silu,
    Sigmoid,
    Hardswish,
    Hardsigmoid,
    Gelu,
    /// `x * sigmoid(1.702 x)`, as CLIP has it.
    QuickGelu,
    Tanh,
}

/// A network that is being built.
#[derive(Debug)]
pub(super) struct Net<'a> {
    pub(super) builder: Builder,
    pub(super) weights: Weights<'a>,
    /// What the weights do not tell and is assumed, a sentence each.
    pub(super) guesses: Vec<String>,
    /// Height and width of the input, where the user or the checkpoint asks for one.
    pub(super) wanted_size: Option<(usize, usize)>,
    /// Which key becomes which constant.
    promised: Vec<(ValueId, String)>,
    /// How many channels a value has, where that is known.
    channels: HashMap<ValueId, usize>,
}

/// What a family says of the network that it has built.
pub(super) struct Description {
    /// For people: "ResNet-18".
    pub(super) family: String,
    /// Name of the layer to explain unless the user chooses another.
    pub(super) target_layer: String,
    /// The preprocessing that the family is published with.
    pub(super) recipe: Recipe,
    /// Height and width of the input, where the network takes no other.
    pub(super) fixed_size: Option<(usize, usize)>,
}

impl<'a> Net<'a> {
    pub(super) fn new(weights: Weights<'a>, wanted_size: Option<(usize, usize)>) -> Self {
        let builder = Builder::default();
        let channels = HashMap::from([(builder.input(), 3)]);
        Self {
            builder,
            weights,
            guesses: Vec::new(),
            wanted_size,
            promised: Vec::new(),
            channels,
        }
    }

    pub(super) fn input(&self) -> ValueId {
        self.builder.input()
    }

    /// Adds an operation that makes one tensor; `name` without `aten::`, operands by the schema's
    /// argument names.
    pub(super) fn call(
        &mut self,
        name: &str,
        operands: &[(&str, Operand)],
    ) -> Result<ValueId, FamilyError> {
        Ok(self.builder.call(name, operands)?)
    }

    /// Notes that a module of this name outputs `[batch, channels, height, width]`, or something
    /// without positions.
    pub(super) fn layer(&mut self, name: &str, output: ValueId) {
        self.layer_as(name, output, MapLayout::ChannelsFirst);
    }

    pub(super) fn layer_as(&mut self, name: &str, output: ValueId, layout: MapLayout) {
        self.builder.layer(name, output, Some(layout));
    }

    /// A weight as it is. Axes without a length may have any.
    pub(super) fn weight(&mut self, name: &str, shape: &[Option<usize>]) -> ValueId {
        let key = self.weights.take(name, shape);
        let id = self.builder.promise();
        self.promised.push((id, key));
        id
    }

    /// A weight that the network may lack.
    fn optional(&mut self, name: &str, shape: &[Option<usize>]) -> Option<ValueId> {
        self.weights.has(name).then(|| self.weight(name, shape))
    }

    /// How many channels a value has, where that is known.
    pub(super) fn channels(&self, x: ValueId) -> Option<usize> {
        self.channels.get(&x).copied()
    }

    /// Says how many channels a value has that came from [`Net::call`].
    pub(super) fn set_channels(&mut self, x: ValueId, channels: Option<usize>) {
        if let Some(channels) = channels {
            self.channels.insert(x, channels);
        }
    }

    /// An operation that leaves the channels as they are.
    pub(super) fn same(
        &mut self,
        name: &str,
        x: ValueId,
        operands: &[(&str, Operand)],
    ) -> Result<ValueId, FamilyError> {
        let output = self.call(name, operands)?;
        self.set_channels(output, self.channels(x));
        Ok(output)
    }

    /// `Conv2d`. The kernel and the channels are those of the weight; a bias is used where there is
    /// one.
    pub(super) fn conv(
        &mut self,
        name: &str,
        x: ValueId,
        conv: Conv,
    ) -> Result<ValueId, FamilyError> {
        let output = self.conv_unnamed(name, x, conv)?;
        self.layer(name, output);
        Ok(output)
    }

    fn conv_unnamed(&mut self, name: &str, x: ValueId, conv: Conv) -> Result<ValueId, FamilyError> {
        let weight_name = format!("{name}.weight");
        if let Some(&[_, channels, _, _]) = self.weights.shape(&weight_name)
            && x == self.input()
            && channels != 3
            && channels <= MOST_CHANNELS
        {
            return Err(FamilyError::Channels {
                layer: name.to_owned(),
                channels,
            });
        }
        let per_group = self.channels(x).map(|c_in| c_in / conv.groups.max(1));
        let shape = [conv.c_out, per_group, conv.kernel, conv.kernel];
        let kernel = [2, 3].map(|axis| self.weights.length(&weight_name, axis).unwrap_or(1) as i64);
        let c_out = self.weights.length(&weight_name, 0);
        let weight = self.weight(&weight_name, &shape);
        let bias = self.optional(&format!("{name}.bias"), &[c_out]);
        let padding = match conv.padding {
            Padding::Half => kernel.map(|side| (side - 1) * conv.dilation / 2),
            Padding::Zeros(zeros) => [zeros, zeros],
        };
        let output = self.call(
            "conv2d",
            &[
                ("input", x.into()),
                ("weight", weight.into()),
                ("bias", bias.into()),
                ("stride", [conv.stride, conv.stride].into()),
                ("padding", padding.into()),
                ("dilation", [conv.dilation, conv.dilation].into()),
                ("groups", (conv.groups as i64).into()),
            ],
        )?;
        self.set_channels(output, c_out);
        Ok(output)
    }

    /// `BatchNorm2d` by the running statistics (Ioffe and Szegedy 2015, arXiv 1502.03167).
    pub(super) fn batch_norm(
        &mut self,
        name: &str,
        x: ValueId,
        eps: f64,
    ) -> Result<ValueId, FamilyError> {
        let output = self.batch_norm_unnamed(name, x, eps)?;
        self.layer(name, output);
        Ok(output)
    }

    /// The same; what the module outputs is the caller's to say.
    pub(super) fn batch_norm_unnamed(
        &mut self,
        name: &str,
        x: ValueId,
        eps: f64,
    ) -> Result<ValueId, FamilyError> {
        let channels = self.channels(x);
        let mut operands: Vec<(&str, Operand)> = vec![("input", x.into())];
        for part in ["weight", "bias", "running_mean", "running_var"] {
            let weight = self.weight(&format!("{name}.{part}"), &[channels]);
            operands.push((part, weight.into()));
        }
        operands.extend([
            ("training", false.into()),
            ("momentum", 0.1.into()),
            ("eps", eps.into()),
            ("cudnn_enabled", true.into()),
        ]);
        self.same("batch_norm", x, &operands)
    }

    /// `LayerNorm` over the last axis (Ba et al. 2016, arXiv 1607.06450). The layer is not noted:
    /// its layout is the caller's.
    pub(super) fn layer_norm(
        &mut self,
        name: &str,
        x: ValueId,
        eps: f64,
    ) -> Result<ValueId, FamilyError> {
        let weight_name = format!("{name}.weight");
        let length = self.weights.length(&weight_name, 0).unwrap_or(1);
        let channels = self.channels(x).or(Some(length));
        let weight = self.weight(&weight_name, &[channels]);
        let bias = self.weight(&format!("{name}.bias"), &[channels]);
        self.same(
            "layer_norm",
            x,
            &[
                ("input", x.into()),
                ("normalized_shape", [length as i64].into()),
                ("weight", weight.into()),
                ("bias", bias.into()),
                ("eps", eps.into()),
            ],
        )
    }

    /// `LayerNorm` over the channels of `[batch, channels, height, width]`.
    pub(super) fn layer_norm_2d(
        &mut self,
        name: &str,
        x: ValueId,
        eps: f64,
    ) -> Result<ValueId, FamilyError> {
        let last = self.permute(x, &[0, 2, 3, 1])?;
        let normed = self.layer_norm(name, last, eps)?;
        let output = self.permute(normed, &[0, 3, 1, 2])?;
        self.layer(name, output);
        Ok(output)
    }

    /// `Linear` over the last axis; a bias is used where there is one. The layer is not noted.
    pub(super) fn linear(&mut self, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
        self.linear_of(&format!("{name}.weight"), &format!("{name}.bias"), x)
    }

    /// The same by the names of weight and bias.
    pub(super) fn linear_of(
        &mut self,
        weight_name: &str,
        bias_name: &str,
        x: ValueId,
    ) -> Result<ValueId, FamilyError> {
        let c_out = self.weights.length(weight_name, 0);
        let weight = self.weight(weight_name, &[None, self.channels(x)]);
        let bias = self.optional(bias_name, &[c_out]);
        let output = self.call(
            "linear",
            &[
                ("input", x.into()),
                ("weight", weight.into()),
                ("bias", bias.into()),
            ],
        )?;
        self.set_channels(output, c_out);
        Ok(output)
    }

    /// `Linear` over the last axis; the weight may be that of a 1x1 convolution.
    pub(super) fn pointwise(&mut self, name: &str, x: ValueId) -> Result<ValueId, FamilyError> {
        let weight_name = format!("{name}.weight");
        let Some(&[c_out, c_in, 1, 1]) = self.weights.shape(&weight_name) else {
            return self.linear(name, x);
        };
        let weight = self.weight(&weight_name, &[None, self.channels(x), Some(1), Some(1)]);
        let weight = self.reshape(weight, &[c_out as i64, c_in as i64])?;
        let bias = self.optional(&format!("{name}.bias"), &[Some(c_out)]);
        let output = self.call(
            "linear",
            &[
                ("input", x.into()),
                ("weight", weight.into()),
                ("bias", bias.into()),
            ],
        )?;
        self.set_channels(output, Some(c_out));
        Ok(output)
    }

    pub(super) fn activation(
        &mut self,
        kind: Activation,
        x: ValueId,
    ) -> Result<ValueId, FamilyError> {
        let unary = |name: &'static str| (name, vec![("self", Operand::from(x))]);
        let (name, operands) = match kind {
            Activation::Identity => return Ok(x),
            Activation::Relu => unary("relu"),
            Activation::Relu6 => (
                "hardtanh",
                vec![
                    ("self", x.into()),
                    ("min_val", 0.0.into()),
                    ("max_val", 6.0.into()),
                ],
            ),
            Activation::Silu => unary("silu"),
            Activation::Sigmoid => unary("sigmoid"),
            Activation::Hardswish => unary("hardswish"),
            Activation::Hardsigmoid => unary("hardsigmoid"),
            Activation::Gelu => unary("gelu"),
            Activation::Tanh => unary("tanh"),
            Activation::QuickGelu => {
                let scaled = self.scale(x, 1.702)?;
                let gate = self.activation(Activation::Sigmoid, scaled)?;
                return self.mul(x, gate);
            }
        };
        self.same(name, x, &operands)
    }

    pub(super) fn relu(&mut self, x: ValueId) -> Result<ValueId, FamilyError> {
        self.activation(Activation::Relu, x)
    }

    pub(super) fn add(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, FamilyError> {
        self.same("add.Tensor", a, &[("self", a.into()), ("other", b.into())])
    }

    pub(super) fn mul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, FamilyError> {
        self.same("mul.Tensor", a, &[("self", a.into()), ("other", b.into())])
    }

    /// Times a number.
    pub(super) fn scale(&mut self, x: ValueId, factor: f64) -> Result<ValueId, FamilyError> {
        self.same(
            "mul.Tensor",
            x,
            &[("self", x.into()), ("other", factor.into())],
        )
    }

    pub(super) fn permute(&mut self, x: ValueId, axes: &[i64]) -> Result<ValueId, FamilyError> {
        self.same("permute", x, &[("self", x.into()), ("dims", axes.into())])
    }

    pub(super) fn transpose(&mut self, x: ValueId, a: i64, b: i64) -> Result<ValueId, FamilyError> {
        self.same(
            "transpose.int",
            x,
            &[("self", x.into()), ("dim0", a.into()), ("dim1", b.into())],
        )
    }

    /// The channels stay known only where the caller says so.
    pub(super) fn reshape(&mut self, x: ValueId, shape: &[i64]) -> Result<ValueId, FamilyError> {
        self.call("reshape", &[("self", x.into()), ("shape", shape.into())])
    }

    /// Joins values along the channels, axis 1.
    pub(super) fn concat(&mut self, parts: &[ValueId]) -> Result<ValueId, FamilyError> {
        let output = self.call("cat", &[("tensors", parts.into()), ("dim", 1.into())])?;
        let channels = parts.iter().map(|part| self.channels(*part)).sum();
        self.set_channels(output, channels);
        Ok(output)
    }

    /// A part of an axis; of axis 1 the channels are known again.
    pub(super) fn narrow(
        &mut self,
        x: ValueId,
        axis: i64,
        start: i64,
        length: i64,
    ) -> Result<ValueId, FamilyError> {
        self.call(
            "slice.Tensor",
            &[
                ("self", x.into()),
                ("dim", axis.into()),
                ("start", start.into()),
                ("end", (start + length).into()),
            ],
        )
    }

    pub(super) fn max_pool(&mut self, x: ValueId, pool: Pool) -> Result<ValueId, FamilyError> {
        self.same("max_pool2d", x, &pool.operands(x))
    }

    /// Zeros of the padding count, unless told otherwise.
    pub(super) fn avg_pool(
        &mut self,
        x: ValueId,
        pool: Pool,
        count_padding: bool,
    ) -> Result<ValueId, FamilyError> {
        let mut operands = pool.operands(x);
        operands.push(("count_include_pad", count_padding.into()));
        self.same("avg_pool2d", x, &operands)
    }

    /// Averages to this many rows and columns.
    pub(super) fn adaptive_avg_pool(
        &mut self,
        x: ValueId,
        side: i64,
    ) -> Result<ValueId, FamilyError> {
        self.same(
            "adaptive_avg_pool2d",
            x,
            &[("self", x.into()), ("output_size", [side, side].into())],
        )
    }

    /// From this axis on, all become one.
    pub(super) fn flatten(&mut self, x: ValueId, start: i64) -> Result<ValueId, FamilyError> {
        self.call(
            "flatten.using_ints",
            &[("self", x.into()), ("start_dim", start.into())],
        )
    }

    /// `[batch, channels, side, side]` as `[batch, channels * side * side]`.
    pub(super) fn flatten_channels(
        &mut self,
        x: ValueId,
        side: usize,
    ) -> Result<ValueId, FamilyError> {
        let flat = self.flatten(x, 1)?;
        self.set_channels(
            flat,
            self.channels(x).map(|channels| channels * side * side),
        );
        Ok(flat)
    }

    /// Convolution, batch norm and ReLU as GoogLeNet and Inception have them.
    pub(super) fn basic_conv(
        &mut self,
        name: &str,
        x: ValueId,
        conv: Conv,
    ) -> Result<ValueId, FamilyError> {
        let x = self.conv(&format!("{name}.conv"), x, conv)?;
        let x = self.batch_norm(&format!("{name}.bn"), x, 1e-3)?;
        let x = self.relu(x)?;
        self.layer(name, x);
        Ok(x)
    }

    /// Global average pooling of `[batch, channels, height, width]` to `[batch, channels]`.
    pub(super) fn global_pool(&mut self, x: ValueId) -> Result<ValueId, FamilyError> {
        let pooled = self.adaptive_avg_pool(x, 1)?;
        let flat = self.flatten(pooled, 1)?;
        self.set_channels(flat, self.channels(x));
        Ok(flat)
    }

    /// Squeeze and excitation (Hu et al. 2017, arXiv 1709.01507): each channel is weighted by a
    /// function of all channels' means. `names` are the two 1x1 convolutions.
    pub(super) fn squeeze_excite(
        &mut self,
        x: ValueId,
        names: [&str; 2],
        inner: Activation,
        gate: Activation,
    ) -> Result<ValueId, FamilyError> {
        let pooled = self.adaptive_avg_pool(x, 1)?;
        let squeezed = self.conv(names[0], pooled, Conv::default().kernel(1))?;
        let squeezed = self.activation(inner, squeezed)?;
        let excited = self.conv(names[1], squeezed, Conv::default().kernel(1))?;
        let weights = self.activation(gate, excited)?;
        self.mul(x, weights)
    }

    /// The network, once all weights fit.
    ///
    /// # Errors
    /// [`FamilyError::Misfit`] names all that do not.
    pub(super) fn finish(
        self,
        logits: ValueId,
        description: Description,
    ) -> Result<Network, FamilyError> {
        self.weights.check(&description.family)?;
        let classes = self.channels(logits).unwrap_or(0);
        Ok(Network {
            graph: self.builder.finish(logits),
            weights: self.promised,
            family: description.family,
            classes,
            target_layer: description.target_layer,
            recipe: description.recipe,
            fixed_size: description.fixed_size,
            guesses: self.guesses,
        })
    }
}

impl Pool {
    pub(super) fn new(kernel: i64, stride: i64) -> Self {
        Self {
            kernel,
            stride,
            padding: 0,
            ceil: false,
        }
    }

    pub(super) fn padding(self, padding: i64) -> Self {
        Self { padding, ..self }
    }

    pub(super) fn ceil(self) -> Self {
        Self { ceil: true, ..self }
    }

    fn operands(self, x: ValueId) -> Vec<(&'static str, Operand)> {
        vec![
            ("self", x.into()),
            ("kernel_size", [self.kernel, self.kernel].into()),
            ("stride", [self.stride, self.stride].into()),
            ("padding", [self.padding, self.padding].into()),
            ("ceil_mode", self.ceil.into()),
        ]
    }
}
